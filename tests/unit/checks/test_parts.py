"""Models in parts that cannot be put together: each is refused before anything is fetched."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from lode.checks.model import check_model
from lode.engine.errors import UserError
from lode.model.parts import UNPACKERS, assembled_folder, unpackers
from lode.study import compose, size_of_weights
from tests.wheels import keep_in
from workflow.study import Experiment


def config_of(folder: Path) -> Any:
    """A model in parts of which the folder holds a chat template."""
    folder.mkdir()
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    facts: Any = OmegaConf.to_container(compose(["model=smollm2"]).model, resolve=True)
    return OmegaConf.create({"model": {**facts, "source": str(folder)}})


def test_what_is_shipped_passes() -> None:
    check_model(compose(["model=smollm2"]))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (
            lambda model, folder: model.update(source=f"{folder}2"),
            "2 is not a folder; a model with model.parts has one",
        ),
        (
            lambda _, folder: (folder / "model.safetensors").touch(),
            "it holds model.safetensors, the weights of a whole",
        ),
        (lambda _, folder: (folder / "chat_template.jinja").unlink(), "no chat template"),
        (lambda model, _: model.update(media_tokens={"image": "<i>"}), "the model takes image, and no processor"),
        (lambda model, _: model.parts.model.update(source="pypi:a"), "expected pypi:<name>==<version>"),
        (lambda model, _: model.parts.model.update(sha256="0"), "expected 64 hexadecimal digits"),
        (lambda model, _: model.parts.model.update(file="a/b.bin"), "model.parts.model.file = 'a/b.bin': expected the"),
        (lambda model, _: model.parts.model.update(file="../b.gguf"), "expected the path of a GGUF file within"),
    ],
    ids=["folder", "whole", "template", "processor", "source", "sha256", "file", "path"],
)
def test_what_cannot_be_put_together_is_refused(
    tmp_path: Path, spoil: Callable[[Any, Path], object], says: str
) -> None:
    cfg = config_of(tmp_path / "ours")
    check_model(cfg)
    spoil(cfg.model, tmp_path / "ours")
    with pytest.raises(UserError) as caught:
        check_model(cfg)
    assert says in str(caught.value)


def test_what_unpacks_must_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lode.model.parts.UNPACKERS", (*UNPACKERS, "nothing-has-this-name"))
    with pytest.raises(UserError, match="the package nothing-has-this-name is not installed"):
        unpackers()


def test_where_it_lies_says_what_it_is_made_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours, the wheel, the file within it, the versions; not where our folder lies, nor what is not loaded."""
    keep_in(monkeypatch, tmp_path / "cache")
    cfg = config_of(tmp_path / "ours")
    first = assembled_folder(cfg.model)
    assert (first.parent, first.name[:8]) == (tmp_path / "cache" / "lode" / "models", "smollm2-")
    (tmp_path / "ours" / "README.md").write_text("not loaded")
    (tmp_path / "ours").rename(tmp_path / "moved")
    cfg.model.source = str(tmp_path / "moved")
    assert assembled_folder(cfg.model) == first
    found = [first]
    (tmp_path / "moved" / "more.json").write_text("{}")
    found.append(assembled_folder(cfg.model))
    cfg.model.parts.model.sha256 = "0" * 64
    found.append(assembled_folder(cfg.model))
    cfg.model.parts.model.file = "another.gguf"
    found.append(assembled_folder(cfg.model))
    monkeypatch.setattr("lode.model.parts.UNPACKERS", ("transformers",))
    found.append(assembled_folder(cfg.model))
    assert len(set(found)) == len(found)


def test_the_weights_at_hand_say_what_memory_a_job_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_in(monkeypatch, tmp_path / "cache")
    folder = assembled_folder(config_of(tmp_path / "ours").model)
    folder.mkdir(parents=True)
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(538 * 10**6)
    assert size_of_weights(str(folder)) == 538


def test_a_planted_model_of_it_is_whole() -> None:
    overrides = ["+plantings.seeds=['model=smollm2','planting.seed=1']", "models=[seeds]"]
    run = Experiment({"experiment": "smoke", "overrides": overrides})
    model = run.compose(*run.choices({"model": "seeds"})).model
    assert (model.name, model.parts) == ("seeds", None)
    assert run.facts("seeds").model.parts.model.source.startswith("pypi:")
