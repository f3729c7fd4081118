"""The study of neurons as the engine sees it: its cards, its config, and by which of its modules no result is made."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from huggingface_hub.constants import HF_HUB_CACHE
from omegaconf import DictConfig

from lode.cards import CARDS, PLANTED
from lode.cards.facts import is_planted
from lode.checks.steps import validate
from lode.config import Config
from lode.engine import compose as engine
from lode.engine.paths import ROOT, is_local, user_path
from lode.engine.study import Card, Study
from lode.model.parts import assembled_folder

#: The Hydra tree: in an installed package the copy that setup.py puts there, in a checkout `config/`.
_PACKAGED = Path(__file__).with_name("config_tree")
CONFIG_DIR = _PACKAGED if _PACKAGED.is_dir() else ROOT / "config"
GROUPS = ("model", "grouping", "dataset", "selection", "intervention", "figure", "experiment", "training")
#: Of a model that is not at hand: 7 billion parameters in half precision [megabytes].
UNKNOWN_WEIGHT = 16_000


def weight(card: Card, cfg: Any) -> int:
    """The megabytes of the model that a job loads; 0 where it loads none. A planted model is as large as its base."""
    if "model" not in card.sections:
        return 0
    model = compose(list(cfg.plantings[cfg.model.name])).model if is_planted(cfg) else cfg.model
    return size_of_weights(str(assembled_folder(model)) if model.parts else model.source)


@cache
def size_of_weights(source: str) -> int:
    """The megabytes of the weights of a model, where it is a folder or lies in the cache of the hub."""
    cached = Path(HF_HUB_CACHE) / f"models--{source.replace('/', '--')}" / "snapshots"
    folders = [user_path(source)] if is_local(source) else sorted(cached.glob("*"))
    sizes = [sum(path.stat().st_size for path in folder.glob("*.safetensors")) for folder in folders]
    return -(-max(sizes) // 10**6) if any(sizes) else UNKNOWN_WEIGHT


STUDY = Study(
    cards=CARDS,
    config=Config,
    config_dir=CONFIG_DIR,
    groups=GROUPS,
    scripts=ROOT / "scripts",
    check=validate,
    weight=weight,
    undigested=("lode.cards", "lode.study", "lode.config", "lode.checks"),
    always=("experiment", "plantings"),
    numbers=("shard",),
    columns=PLANTED,
    unrecorded=("runtime",),
    made_for={
        "selection": "select_neurons",
        "intervention": "benchmark_ablation",
        "planting": "plant_neurons",
        "dataset": "prepare_dataset",
    },
    lists={
        "model": "models",
        "dataset": "benchmarks",
        "selection": "selections",
        "intervention": "interventions",
        "figure": "figures",
    },
    places=("model.source", "model.revision"),
)


def compose(overrides: Sequence[str] = ()) -> DictConfig:
    """The config for some Hydra overrides.

    Raises:
        UserError: a group has no such choice, a key does not exist, or a value has the wrong type.
    """
    return engine.compose(STUDY, overrides)


def restrict(cfg: DictConfig, step: str, extra: Sequence[str] = ()) -> DictConfig:
    """The sections that a step may read, and some more; reading any other raises."""
    return engine.restrict(STUDY, cfg, step, extra)
