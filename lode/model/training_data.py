"""What a model was trained on, as its folder states it, and the refusal to test it on that.

A folder may hold `training_data.json`: `{"split_seed": 2024, "datasets": ["toy_mmlu", ...]}`, the dataset plug-ins
whose `train` split it saw, and the seed of that split. With another seed most of what is tested would be what it was
trained on. The manifest repeats it (`trained_on`).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lode.engine.errors import UserError

FILE = "training_data.json"


def training_data(folder: Path) -> dict[str, Any] | None:
    """What a model folder states; None where it states nothing.

    Raises:
        UserError: the file does not say it in this form.
    """
    file = folder / FILE
    if not file.is_file():
        return None
    try:
        stated = json.loads(file.read_text())
        return {"split_seed": int(stated["split_seed"]), "datasets": sorted(map(str, stated["datasets"]))}
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(
            f'{file}: {error!r}; expected {{"split_seed": 2024, "datasets": ["toy_mmlu"]}}, the dataset plug-ins whose '
            "training split the model saw. Correct it, or delete it where the model saw none"
        ) from error


def write_training_data(folder: Path, split_seed: int, plugins: set[str]) -> None:
    """State in a model folder what the model was trained on."""
    stated = {"split_seed": split_seed, "datasets": sorted(plugins)}
    (folder / FILE).write_text(json.dumps(stated, indent=1) + "\n")


def check_unseen(model: str, trained_on: Mapping[str, Any] | None, dataset: str, plugin: str, split_seed: int) -> None:
    """Refuse to test a model on samples that were in its training split.

    Args:
        model: its name.
        trained_on: as `training_data` gives it.
        dataset: name of the benchmark.
        plugin: its plug-in.
        split_seed: with which its samples were drawn.
    """
    if trained_on and plugin in trained_on["datasets"] and split_seed != trained_on["split_seed"]:
        raise UserError(
            f"split_seed = {split_seed}: model {model} was trained on the training split of {plugin} with split_seed "
            f"{trained_on['split_seed']}, which holds most of what dataset {dataset} would test it on; expected "
            f"split_seed = {trained_on['split_seed']}. To vary all else by chance, set `seed`; or train a model of "
            "your own with this split_seed"
        )
