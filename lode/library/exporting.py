"""Save a model with a neuron set switched off for good, as an ordinary Hugging Face folder."""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from lode.engine.errors import UserError, writing
from lode.library.neuron_lists import Neurons, neurons_of, of_places, write_neurons
from lode.library.opening import Model
from lode.model.manifest import files_of, is_loaded
from lode.model.weights import zeroed_columns

#: What of the first model's folder the new weights replace.
WEIGHTS = (".safetensors", ".safetensors.index.json")
#: Copied even where saving has written one: an open model replies greedily, whatever its folder says.
OWN = "generation_config.json"
#: In the new folder, which neurons are off.
LIST = "zeroed_neurons.csv"


def export(model: Model, neurons: Neurons, folder: str | Path) -> Path:
    """Save the model with the columns zeroed that the neurons write through: what `zero` does, for good.

    Tokenizer, processor and settings are those of the model's own folder. The new one loads by `from_pretrained`, and
    by `lode.open(folder, facts=<the model's YAML>)`.

    Args:
        model: that of `lode.open`, with no switch on.
        neurons: as of `lode.switched`.
        folder: that is made; it must not exist yet, or be empty.

    Returns:
        The folder.

    Raises:
        UserError: neurons that are not one set of this model, a folder that holds something, a switch that is on, or a
            full disk.
    """
    places, target = neurons_of(model, neurons), Path(folder).expanduser()
    if model.switches:
        raise UserError("export within `with lode.switched(...)` would save that switch too; leave the context first")
    if target.exists() and not (target.is_dir() and not list(target.iterdir())):
        raise UserError(f"{target}: it is there already; expected a new folder. Remove it, or choose another name")
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as whole:
            made = Path(whole) / "model"
            with zeroed_columns(model.adapter, places):
                model.adapter.model.save_pretrained(made)
            copy_settings(model.folder, made)
            write_neurons(made / LIST, of_places(places))
            os.replace(made, target)
    return target


def copy_settings(source: Path, made: Path) -> None:
    """Copy what loading reads of a model folder and saving the weights has not written."""
    for name, path in files_of(source).items():
        target = made / name
        if is_loaded(name) and not name.endswith(WEIGHTS) and (name == OWN or not target.exists()):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
