"""Pretend that tensors lie on several devices: all compute on the CPU, and mixing places is an error, as on GPUs."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_iter, tree_map_only

from lode.model.adapter import Adapter

CPU = torch.device("cpu")
DEVICE = Tensor.device.__get__  # type: ignore[attr-defined]
MOVES = (Tensor.to, Tensor.cpu, Tensor.copy_)
INDEXING = (Tensor.__getitem__, Tensor.__setitem__)


def place_of(tensor: Tensor) -> torch.device:
    """Where a tensor pretends to lie."""
    return tensor.__dict__.get("place", CPU)


class PretendDevices(TorchFunctionMode):
    """Within the context `cpu:0`, `cpu:1`, ... are devices of their own.

    Raises:
        AssertionError: a function is given tensors of several places. As in torch, tensors of one value may lie
            anywhere, and indices on the CPU.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func == DEVICE:
            return place_of(args[0])
        if func is torch.autograd.grad:
            slopes = func(*args, **kwargs)
            for slope, point in zip(slopes, args[1] if isinstance(args[1], (list, tuple)) else [args[1]], strict=True):
                slope.__dict__["place"] = place_of(point)
            return slopes
        place = self.common_place(func, args, kwargs)
        if func is Tensor.cpu:
            place = CPU
        elif func is Tensor.to:
            args, kwargs, place = self.destination(args, kwargs, place)
        elif isinstance(kwargs.get("device"), torch.device):
            place = kwargs["device"]
            kwargs["device"] = CPU
        answer = func(*args, **kwargs)
        if func in MOVES[:2] and answer is args[0]:
            answer = answer.view_as(answer)  # another tensor, which does not move the first
        tree_map_only(Tensor, lambda tensor: tensor.__dict__.update(place=place), answer)
        return answer

    @staticmethod
    def common_place(func: Any, args: Any, kwargs: Any) -> torch.device:
        tensors = [item for item in tree_iter((args, kwargs)) if isinstance(item, Tensor)]
        if not tensors:
            return CPU
        if func in MOVES:
            return place_of(args[0])
        places = {place_of(tensor) for tensor in tensors if tensor.ndim}
        if func in INDEXING:
            places -= {CPU} if place_of(args[0]) != CPU else set()
            places |= {place_of(args[0])}
        assert len(places) < 2, f"{func} mixes {sorted(map(str, places))}"
        return places.pop() if places else place_of(tensors[0])

    @staticmethod
    def destination(args: Any, kwargs: Any, place: torch.device) -> tuple[Any, Any, torch.device]:
        """Arguments of `Tensor.to` without its device, and where it goes."""
        rest = []
        for item in args[1:]:
            if isinstance(item, torch.device):
                place = item
            elif isinstance(item, Tensor):
                place = place_of(item)
                rest.append(item.dtype)
            else:
                rest.append(item)
        place = kwargs.pop("device", None) or place
        return (args[0], *rest), kwargs, place


@contextmanager
def spread(adapter: Adapter, layers: Sequence[nn.Module], places: Sequence[torch.device]) -> Iterator[None]:
    """Within the context the layers lie on these places and all else on the first, with inputs moved from one to the
    next as by `accelerate`.
    """

    def bring(place: torch.device) -> Any:
        def hook(_module: Any, args: Any, kwargs: Any) -> Any:
            return tree_map_only(Tensor, lambda tensor: tensor.to(place), (args, kwargs))

        return hook

    homes = {**dict.fromkeys(adapter.model.modules(), places[0])}
    for layer, place in zip(layers, places, strict=True):
        homes |= dict.fromkeys(layer.modules(), place)
    stored = [
        (tensor, home)
        for module, home in homes.items()
        for tensor in (*module._parameters.values(), *module._buffers.values())
        if tensor is not None
    ]
    with ExitStack() as stack:
        for tensor, home in stored:
            tensor.__dict__["place"] = home
            stack.callback(tensor.__dict__.pop, "place")
        for module, home in homes.items():
            if module in layers or not list(module.children()):
                stack.callback(module.register_forward_pre_hook(bring(home), with_kwargs=True, prepend=True).remove)
        stack.enter_context(PretendDevices())
        yield
