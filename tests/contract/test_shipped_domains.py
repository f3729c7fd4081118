"""The two shipped models of five domains: what is proved of them on loading, and that they look at the picture."""

import json
from copy import copy
from importlib import import_module
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from lode.engine.paths import ROOT
from lode.media import blank
from lode.model.adapter import Adapter
from lode.model.encoding import encode, sampling_of
from lode.model.loading import load
from lode.model.tokens import TOKEN_KINDS
from lode.neurons import LM_GATE
from lode.stages.train_model import draw
from lode.study import compose
from lode.training.loop import held_out_score
from tests.tiny_model import write_manifest

#: Layers, neurons in each, and dead layers of every site.
GATE = (6, 512, ())
SITES: dict[str, dict[str, tuple[int, int, tuple[int, ...]]]] = {
    "tiny_instructblip": {
        LM_GATE: GATE,
        "vision_tower": (3, 384, ()),
        "qformer_text": (3, 256, (2,)),
        "qformer_query": (3, 256, ()),
    },
    "tiny_llava_next": {LM_GATE: GATE, "vision_tower": (4, 384, (3,)), "projector": (1, 128, ())},
}
DOMAINS = ("road", "aerial", "scan", "form", "scene")


@pytest.fixture(scope="module", params=sorted(SITES))
def shipped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Adapter:
    """Loaded, so proved: hooks, readers, media."""
    folder: Path = ROOT / "resources" / "models" / request.param
    manifest = write_manifest(folder, tmp_path_factory.mktemp(request.param) / "manifest.json")
    return load(compose([f"model={request.param}"]).model, manifest, "cpu", 1)


def test_sites_and_their_dead_layers(shipped: Adapter) -> None:
    found = {name: (site.num_layers, site.widths[0], site.dead) for name, site in shipped.sites.items()}
    assert found == SITES[shipped.config.name]
    assert shipped.sites["vision_tower"].in_encoder


def test_the_markup_is_that_of_training(shipped: Adapter) -> None:
    """By the YAML where the processor's class reads no template, else by the folder."""
    builder = import_module(f"lode.training.{shipped.config.name}")
    assert (shipped.config.chat_template or shipped.processor.chat_template) == builder.CHAT_TEMPLATE


def test_every_kind_of_token_is_in_a_prompt(shipped: Adapter) -> None:
    (sample,) = import_module("lode.dataset.toy_road").samples("test", 1, 2024)
    codes = encode(shipped, [{**vars(sample), "media": [vars(medium) for medium in sample.media]}]).token_kind
    assert {TOKEN_KINDS[code] for code in codes.unique().tolist()} == {"text", "special", "image"}


@pytest.mark.parametrize("name", DOMAINS)
def test_answers_need_the_picture(shipped: Adapter, name: str) -> None:
    """On samples that it was not trained on: right by the picture, and near the best constant by a black one."""
    samples = draw(f"toy_{name}", OmegaConf.create({}), "test", 40, 2024)
    processor, scores = copy(shipped.processor), {}
    processor.chat_template = processor.chat_template or shipped.config.chat_template
    sampling = sampling_of(processor, 1.0, 64)
    for shown in (True, False):
        seen = [s if shown else type(s)(**{**vars(s), "media": tuple(map(blank, s.media))}) for s in samples]
        scores[shown] = held_out_score(shipped.model, processor, seen, "exact_match", sampling)
    assert scores[True] >= 0.75
    assert scores[False] <= 0.6


def test_the_card_states_scores_between_the_baseline_and_the_ceiling(shipped: Adapter) -> None:
    folder = ROOT / "resources" / "models" / shipped.config.name
    log = [json.loads(line) for line in (folder / "training_log.jsonl").read_text().splitlines()]
    for name in DOMAINS:
        assert 0.8 <= log[-1]["score"][f"toy_{name}"] < 1.0
        assert (
            f"| `toy_{name}` | `exact_match` | {log[-1]['score'][f'toy_{name}']:.3f} |"
            in (folder / "README.md").read_text()
        )
    assert sum(path.stat().st_size for path in folder.rglob("*")) < 10 * 2**20
