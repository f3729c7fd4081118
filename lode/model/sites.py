"""The sites of a model: where its neurons are, found by the paths of its YAML (`config/model/<name>.yaml`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from lode.engine.errors import UserError
from lode.model.masks import Mask, find_mask
from lode.neurons import LM_GATE, Pairs, Places, unique_pairs


@dataclass(frozen=True)
class Site:
    """One place where a model has neurons, layer by layer; what a projector has is layers too.

    Attributes:
        name: its key in the YAML.
        activation: modules whose output is the activations (..., neuron).
        reader: as many linear maps, whose column n is what neuron n writes.
        in_encoder: whether it lies within the encoder of a medium, whose answer `encoders_once` keeps.
        has_tokens: whether its activations are (batch, token, neuron), as in the layers of the language model; else
            their rows are patches, frames or queries.
        media: whose rows pass here: of a site within an encoder those that it is the encoder of, else all.
        mask: what tells from the model's inputs which rows are no padding; None: all rows are real.
        dead: layers that cannot matter: all of one at 0 moves no logit. Known once the model is proved.
    """

    name: str
    activation: tuple[nn.Module, ...]
    reader: tuple[nn.Linear, ...]
    in_encoder: bool
    has_tokens: bool
    media: tuple[str, ...] = ()
    mask: Mask | None = None
    dead: tuple[int, ...] = ()

    @property
    def num_layers(self) -> int:
        """Layers of the site."""
        return len(self.reader)

    @property
    def widths(self) -> tuple[int, ...]:
        """Neurons of each layer."""
        return tuple(module.in_features for module in self.reader)

    def real_rows(self, inputs: Mapping[str, Tensor], medium: str, num_rows: int) -> Bool[Tensor, " row"]:
        """Which rows are no padding.

        Args:
            inputs: of the model, of one sample.
            medium: of the sample, that passes here.
            num_rows: of the sample.

        Raises:
            UserError: the mask of the site does not fit the inputs, or the rows.
        """
        return torch.ones(num_rows, dtype=torch.bool) if self.mask is None else self.mask(inputs, medium, num_rows)


def module_at(root: nn.Module, path: str, what: str) -> nn.Module:
    """The submodule at a dotted path.

    Raises:
        UserError: there is none; names the config key and the children at the last place that exists.
    """
    (module,) = modules_at(root, path, what)
    return module


def modules_at(root: nn.Module, path: str, what: str) -> list[nn.Module]:
    """The submodules at a dotted path in which `*` stands for all children of a list, in order.

    Raises:
        UserError: there is none; names the config key and the children at the last place that exists.
    """
    found = {"": root}
    for name in path.split("."):
        found = {
            f"{place}.{child}": module
            for place, parent in found.items()
            for child, module in children_at(parent, name, place.removeprefix("."), path, what).items()
        }
    return list(found.values())


def children_at(parent: nn.Module, name: str, place: str, path: str, what: str) -> dict[str, nn.Module]:
    """The child of this name, or all children of a list for `*`.

    Args:
        parent: a module.
        name: a part of `path`.
        place: the path of the parent.
        path: the whole path.
        what: the config key that holds it.
    """
    children = dict(parent.named_children())
    if name == "*" and isinstance(parent, nn.ModuleList):
        return children
    if name not in children:
        raise UserError(
            f"{what} = {path!r}: {place or type(parent).__name__} has no "
            f"{'list of modules' if name == '*' else f'module {name!r}'}; it has {', '.join(children) or 'none'}. "
            "Fix the path in the model's YAML."
        )
    return {name: children[name]}


def find_sites(config: Any, model: nn.Module, towers: Mapping[str, nn.Module]) -> dict[str, Site]:
    """Look up every site that the config names.

    Args:
        config: the `model` section.
        model: the model.
        towers: its encoders by medium.

    Raises:
        UserError: no module at a path, layers that share one, a reader that is no linear map, or another number of
            readers than of activations; a mask that the model has no use for; or there is no site `lm_gate`.
    """
    if LM_GATE not in config.sites:
        raise UserError(f"model.sites: {', '.join(config.sites) or 'none'}; expected {LM_GATE!r} among them")
    inside = {medium: {id(module) for module in tower.modules()} for medium, tower in towers.items()}
    layers = {id(module) for module in module_at(model, config.layers, "model.layers").modules()}
    return {name: find_site(name, paths, model, inside, layers) for name, paths in config.sites.items()}


def find_site(name: str, paths: Any, model: nn.Module, encoders: Mapping[str, set[int]], layers: set[int]) -> Site:
    """Look up one site; arguments and errors are those of `find_sites`, modules by their `id`."""
    what = f"model.sites.{name}"
    activation = [module for path in paths.activation for module in modules_at(model, path, f"{what}.activation")]
    reader = [module for path in paths.reader for module in modules_at(model, path, f"{what}.reader")]
    if not activation or len(activation) != len(reader):
        raise UserError(
            f"{what}: {len(activation)} activations at {written(paths.activation)} and {len(reader)} readers at "
            f"{written(paths.reader)}; expected as many of both, at least one. Fix the paths in the model's YAML"
        )
    odd = next((module for module in reader if not isinstance(module, nn.Linear)), None)
    if odd is not None:
        raise UserError(
            f"{what}.reader = {written(paths.reader)}: it is a {type(odd).__name__}; expected a Linear, whose columns "
            "are what neurons write. Fix the path in the model's YAML"
        )
    if len({id(module) for module in activation}) != len(activation):
        raise UserError(
            f"{what}.activation = {written(paths.activation)}: layers share one module, so hooks cannot tell them"
        )
    at = [id(module) for module in activation]
    media = tuple(medium for medium, inside in encoders.items() if inside & set(at))
    return Site(
        name,
        tuple(activation),
        tuple(module for module in reader if isinstance(module, nn.Linear)),
        in_encoder=bool(media),
        has_tokens=all(module in layers for module in at),
        media=media or tuple(encoders),
        mask=find_mask(name, paths, model),
    )


def written(paths: Sequence[str]) -> str:
    """Paths for a message."""
    return ", ".join(map(repr, paths))


def others(sites: Mapping[str, Site], places: Places) -> dict[str, Pairs]:
    """Every neuron that is not in the set, of the sites that the set names; dead layers aside, which change nothing."""
    return {name: rest_of(sites[name], pairs) for name, pairs in places.items()}


def rest_of(site: Site, pairs: Pairs) -> Pairs:
    """The neurons of the living layers of a site that are not among the pairs."""
    kept = set(map(tuple, pairs.tolist()))
    alive = [layer for layer in range(site.num_layers) if layer not in site.dead]
    rest = [(layer, neuron) for layer in alive for neuron in range(site.widths[layer]) if (layer, neuron) not in kept]
    return unique_pairs(rest)


def size_of(site: Site) -> str:
    """How many layers and neurons it has, for a message."""
    return f"{site.num_layers} layers of {' or '.join(map(str, sorted(set(site.widths))))} neurons"


def refuse_outside(site: Site, pairs: Pairs) -> None:
    """Refuse neurons of which switching is no test: that a site does not have, or of a dead layer.

    Raises:
        UserError: names the first.
    """
    for layer, neuron in pairs.tolist():
        if not (0 <= layer < site.num_layers and 0 <= neuron < site.widths[layer]):
            raise UserError(
                f"site {site.name} has no neuron {neuron} of layer {layer}; expected one of {size_of(site)}, both "
                "counted from 0"
            )
        if layer in site.dead:
            raise UserError(
                f"neuron {neuron} of layer {layer} at site {site.name}: all neurons of that layer at 0 move no logit, "
                "so that switching them could show nothing; expected neurons of other layers than "
                f"{', '.join(map(str, site.dead))}"
            )
