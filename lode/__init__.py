"""Lode finds the neurons of a multimodal language model that serve one modality, and proves whether they do.

What a stage does, a notebook can (docs/library.md): `lode.load`, `lode.open`, `lode.switched`, `lode.answer`,
`lode.lens`, `lode.flow`, `lode.cut`, `lode.export`, `lode.read_neurons`, `lode.write_neurons`. Each is imported when
it is first asked for: `import lode` alone imports no torch, and no step of the workflow depends on them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lode.library.answering import answer
    from lode.library.cutting import cut
    from lode.library.exporting import export
    from lode.library.neuron_lists import read_neurons, write_neurons
    from lode.library.opening import open
    from lode.library.results import load
    from lode.library.switching import switched
    from lode.library.tracing import flow, lens

__all__ = ["answer", "cut", "export", "flow", "lens", "load", "open", "read_neurons", "switched", "write_neurons"]
__version__ = "0.1.0"

_MODULES = {
    "answer": "answering",
    "cut": "cutting",
    "export": "exporting",
    "flow": "tracing",
    "lens": "tracing",
    "load": "results",
    "open": "opening",
    "read_neurons": "neuron_lists",
    "switched": "switching",
    "write_neurons": "neuron_lists",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"lode.library.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
