"""Which rows of a site are no padding: the ways to read the model's input that the `mask` of a site names.

- `entries`: one entry, or several, for each row; a row is real where its entry is not 0.
- `anyres`: the sizes of pictures, each of which is shown as a whole and cut into tiles (`lode/model/anyres.py`).
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from lode.engine.errors import UserError
from lode.model.anyres import Tiling, real_rows, tiling_of

#: From the inputs of one sample, its medium that passes through the site, and how many rows: which are no padding.
Mask = Callable[[Mapping[str, Tensor], str, int], Bool[Tensor, " row"]]


def find_mask(site: str, paths: Any, model: Any) -> Mask | None:
    """What tells the padding of a site; None where all rows are real.

    Args:
        site: its name.
        paths: its facts in the YAML.
        model: of transformers, whose config says how pictures are cut into tiles.

    Raises:
        UserError: the mask is of kind `anyres`, and the model does not cut pictures into tiles.
    """
    if paths.mask is None:
        return None
    return MASKS[paths.mask_kind](paths, model, f"model.sites.{site}.mask = {paths.mask!r}")


def of_entries(paths: Any, _model: Any, what: str) -> Mask:
    """The mask of kind `entries`."""
    return partial(real_entries, paths.mask, paths.mask_first, what)


def of_anyres(paths: Any, model: Any, what: str) -> Mask:
    """The mask of kind `anyres`; errors are those of `tiling_of`."""
    return partial(real_views, paths.mask, tiling_of(model.config.to_dict(), what), what)


#: By the `mask_kind` of a site.
MASKS: dict[str, Callable[[Any, Any, str], Mask]] = {"entries": of_entries, "anyres": of_anyres}


def real_entries(
    name: str, first: int, what: str, inputs: Mapping[str, Tensor], _medium: str, num_rows: int
) -> Bool[Tensor, " row"]:
    """The rows whose entry is not 0.

    Args:
        name: of the input.
        first: the entry that is the first row's.
        what: the config key, for messages.
        inputs: of the model, of one sample.
        num_rows: of the site.

    Raises:
        UserError: the model has no such input, or it has not as many entries for every row.
    """
    mask = input_of(inputs, name, what).bool().flatten().cpu()
    if len(mask) % num_rows:
        raise UserError(
            f"{what}: {len(mask)} entries, and the site has {num_rows} rows; expected as many entries for every row. "
            "Fix the model's YAML"
        )
    return mask[first :: len(mask) // num_rows]


def real_views(
    name: str, tiling: Tiling, what: str, inputs: Mapping[str, Tensor], medium: str, num_rows: int
) -> Bool[Tensor, " row"]:
    """The rows that are not of the letterbox of a picture; frames of a video have none, so all of theirs.

    Args:
        name: of the input that holds the sizes of pictures.
        tiling: how the model cuts them.
        what: the config key, for messages.
        inputs: of the model, of one sample. `batch_num_images`, where a model has it, says that several pictures
            of one sample are not cut.
        medium: that passes through the site.
        num_rows: of the site.

    Raises:
        UserError: the model has no such input, it does not hold sizes, or there are not as many rows as patches.
    """
    if medium != "image":
        return torch.ones(num_rows, dtype=torch.bool)
    sizes = input_of(inputs, name, what)
    if sizes.shape[1:] != (2,):
        raise UserError(
            f"{what}: of shape {tuple(sizes.shape)}; expected (picture, 2): the height and width of every picture. Fix "
            "mask or mask_kind in the model's YAML"
        )
    counts = inputs["batch_num_images"].tolist() if "batch_num_images" in inputs else [1] * len(sizes)
    cut = [count == 1 for count in counts for _ in range(count)]
    return real_rows(tiling, sizes.tolist(), cut, num_rows, what)


def input_of(inputs: Mapping[str, Tensor], name: str, what: str) -> Tensor:
    """An input of the model.

    Raises:
        UserError: there is none of this name.
    """
    if name not in inputs:
        raise UserError(f"{what}: it is no input of the model, which takes {', '.join(inputs)}. Fix the model's YAML")
    return inputs[name]
