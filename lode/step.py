"""The entry point of every script: from a command line to a stage."""

import sys
from collections.abc import Callable
from typing import Any

from omegaconf import DictConfig
from omegaconf.errors import MissingMandatoryValue

from lode.config import compose, digest, restrict
from lode.engine.errors import UserError
from lode.engine.tables import provenance
from lode.sources import recorded
from lode.validation import validate


def run_step(step: str, run: Callable[[DictConfig, dict[str, Any]], None]) -> None:
    """Compose the config from the command line and run a stage; the body of every script.

    Args:
        step: a key of `SECTIONS`.
        run: the stage: takes its part of the config, with `io` and `runtime`, and the provenance to record.
    """
    try:
        cfg = compose(sys.argv[1:])
        validate(cfg, step)
        semantic = recorded(cfg, step)
        if cfg.expect_digest not in (None, digest(semantic)):
            raise UserError(
                f"the config of `{step}`, or a file of yours that it reads, changed since the jobs were planned; run "
                "the command again"
            )
        run(restrict(cfg, step, ("io", "runtime")), provenance(semantic, cfg.code_digest))
    except UserError as error:
        sys.exit(f"error: {printable(str(error))}")
    except MissingMandatoryValue as error:
        sys.exit(f"error: `{step}` needs {error.full_key}; give it on the command line: {error.full_key}=...")


def printable(text: str) -> str:
    """A text that may quote a dataset, with no character in it that steers a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
