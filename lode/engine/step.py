"""The entry point of every script: from a command line to a stage."""

import sys
from collections.abc import Callable
from typing import Any

from omegaconf.errors import MissingMandatoryValue

from lode.engine.compose import FILES, compose, restrict
from lode.engine.errors import UserError
from lode.engine.fingerprint import digest
from lode.engine.recorded import recorded
from lode.engine.study import Study
from lode.engine.tables import provenance


def run_step(study: Study, step: str, run: Callable[[Any, dict[str, Any]], None]) -> None:
    """Compose the config from the command line and run a stage; the body of every script.

    Args:
        study: whose step it is.
        step: the name on its card.
        run: the stage: takes its part of the config, with its files and what is not recorded, and the provenance. By
            which type it knows its config is the study's.
    """
    try:
        cfg = compose(study, sys.argv[1:])
        study.check(cfg, step)
        semantic = recorded(study, cfg, step)
        if cfg.expect_digest not in (None, digest(semantic)):
            raise UserError(
                f"the config of `{step}`, or a file of yours that it reads, changed since the jobs were planned; run "
                "the command again"
            )
        run(restrict(study, cfg, step, (FILES, *study.unrecorded)), provenance(semantic, cfg.code_digest))
    except UserError as error:
        sys.exit(f"error: {printable(str(error))}")
    except MissingMandatoryValue as error:
        sys.exit(f"error: `{step}` needs {error.full_key}; give it on the command line: {error.full_key}=...")


def printable(text: str) -> str:
    """A text that may quote a dataset, with no character in it that steers a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
