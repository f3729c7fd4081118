"""Switch neurons in the weights, and back."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lode.engine.errors import unknown_name
from lode.model.adapter import Adapter, encoders_run
from lode.model.sites import refuse_outside
from lode.neurons import Places, by_layer


@contextmanager
def switchable(adapter: Adapter, places: Places) -> Iterator[None]:
    """Within the context neurons may be switched: every pass comes by them, and they can matter.

    Raises:
        UserError: a site or neurons that the model does not have, neurons of a dead layer, or of an encoder whose
            answers are kept.
    """
    for name, pairs in places.items():
        if name not in adapter.sites:
            raise unknown_name(f"site of model {adapter.config.name}", name, adapter.sites)
        refuse_outside(adapter.sites[name], pairs)
    with encoders_run(adapter, places):
        yield


@contextmanager
def zeroed_columns(adapter: Adapter, places: Places) -> Iterator[None]:
    """Zero the columns of the readers that the neurons write through; put the saved columns back on leaving.

    Raises:
        UserError: those of `switchable`.
    """
    saved = []
    with switchable(adapter, places):
        try:  # from the first column on: saving the next may fail for lack of memory
            for name, pairs in places.items():
                for layer, indices in by_layer(pairs).items():
                    weight = adapter.sites[name].reader[layer].weight.data
                    index = torch.tensor(indices, device=weight.device)
                    saved.append((weight, index, weight[:, index]))  # indexing by a tensor copies
                    weight[:, index] = 0
            yield
        finally:
            for weight, index, columns in saved:
                weight[:, index] = columns
