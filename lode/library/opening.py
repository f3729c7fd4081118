"""A model as a job opens it, with the same proofs, and the switches that are on."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from omegaconf import OmegaConf
from torch import Tensor

from lode.checks.model import check_model, check_runtime
from lode.engine.errors import UserError
from lode.engine.paths import ROOT
from lode.library.sections import choose
from lode.model.adapter import Adapter
from lode.model.loading import load
from lode.stages.download_model import origin
from lode.study import STUDY

#: What switches a set, from the kinds of the tokens of the first pass, and the samples.
SetSwitch = Callable[[Tensor, Sequence[Mapping[str, Any]]], AbstractContextManager[None]]


@dataclass(eq=False)
class Model:
    """An open model.

    Attributes:
        adapter: the model, its processor and its parts by layer; `adapter.model` is that of transformers.
        folder: where its files lie.
        switches: those of the contexts that are entered, the outermost first.
        tokens_known: whether the forward pass under way goes through `switch`, or `unswitched`.
        lens_proved: whether the lens of the last states was found to be the logits.
    """

    adapter: Adapter
    folder: Path
    switches: list[SetSwitch] = field(default_factory=list)
    tokens_known: bool = False
    lens_proved: bool = False

    def __repr__(self) -> str:
        config, size = self.adapter.config, f"{self.adapter.num_layers} x {self.adapter.num_neurons}"
        return f"Model({config.name}: {size} neurons, {config.dtype} on {self.adapter.device})"

    @contextmanager
    def switch(self, tokens: Tensor, rows: Sequence[int], samples: Sequence[Mapping[str, Any]] = ()) -> Iterator[None]:
        """Around forward passes: every switch that is on acts on them.

        Args:
            tokens: what every token of the first pass is (batch, token), as `lode.model.encoding.Batch.token_kind`.
            rows: which samples of a batch they are.
            samples: the batch, for a grouping by samples.
        """
        with ExitStack() as stack:
            for switch in self.switches:
                stack.enter_context(switch(tokens, [samples[row] for row in rows] if samples else []))
            stack.enter_context(self.unswitched())
            yield

    @contextmanager
    def unswitched(self) -> Iterator[None]:
        """Around forward passes on which no switch is to act but by weights: whoever enters it knows that."""
        before, self.tokens_known = self.tokens_known, True
        try:
            yield
        finally:
            self.tokens_known = before


def open(model: str | Path, *overrides: str, facts: str | None = None, manifest: str | Path | None = None) -> Model:
    """Open a model, and prove on short samples that its facts hold: sites, media, and that switching leaves no trace.

    Args:
        model: the name of a YAML in `config/model/`; with `facts`, a folder or a hub id `owner/name`.
        *overrides: of the sections `model` and `runtime`, as on the command line: `"runtime.device=cpu"`.
        facts: the YAML of a model of the same shape, which says where its parts are and what its tokens are called.
        manifest: `download_model/<model>/manifest.json` of a run: the model must be the one that the run was made with.

    Raises:
        UserError: no such model, a folder that is not one whole model, or a fact that does not hold.
    """
    cfg = configured(str(model), overrides, facts)
    check_model(cfg)
    check_runtime(cfg)
    with TemporaryDirectory() as own:
        recorded = describe(cfg.model, Path(own)) if manifest is None else Path(manifest).expanduser()
        if not recorded.is_file():
            raise UserError(f"{recorded}: no such file; expected the manifest.json of a run's download_model")
        adapter = load(cfg.model, recorded, cfg.runtime.device, cfg.runtime.threads)
        return Model(adapter, ROOT / json.loads(recorded.read_text())["folder"])


def configured(model: str, overrides: Sequence[str], facts: str | None) -> Any:
    """The config of a model: a YAML of its own, or one of the same shape for a folder or a hub id."""
    folder = Path(model).expanduser()
    if facts is not None:
        cfg = choose("model", facts, overrides, ("runtime",))
        source = str(folder.resolve()) if folder.is_dir() else model
        named = OmegaConf.merge(cfg.model, {"name": folder.name, "source": source, "parts": None})
        return OmegaConf.create({"model": named, "runtime": cfg.runtime})  # `cfg` shares sections with other configs
    if folder.is_dir() and not (STUDY.config_dir / "model" / f"{model}.yaml").is_file():
        raise UserError(
            f"{model}: a folder does not say where its parts are and what its media tokens are called; expected "
            "facts=<the name of a YAML in config/model/ of a model of the same shape>"
        )
    return choose("model", model, overrides, ("runtime",))


def describe(config: Any, folder: Path) -> Path:
    """Write what `download_model` would record of a model, as far as loading compares it."""
    place, found = origin(config)
    path = folder / "manifest.json"
    path.write_text(json.dumps({"folder": str(place), "files": found["files"]}))
    return path
