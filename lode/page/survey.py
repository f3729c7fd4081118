"""Where an analysis stands in the survey of explainable multimodal models (Dang et al. 2024, arXiv 2412.02104).

`survey.yaml` is the one list: of each leaf of its taxonomy what Lode does there, by which steps, figures and
experiments, and what none of them tells.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from omegaconf import OmegaConf

PAPER = (
    "Dang et al., Explainable and Interpretable Multimodal Large Language Models: A Comprehensive Survey (2024), "
    "[arXiv 2412.02104](https://arxiv.org/abs/2412.02104)"
)
HEAD = f"""\
<!-- written by `python -m workflow.survey` from lode/page/survey.yaml -->
# Where Lode stands in the survey of explainable multimodal models

The leaves are those of {PAPER}.
Of each: what is done here, by which steps, figures and experiments, and what none of them tells. Steps are told of in
[README](../README.md), formulas in [methods.md](methods.md).
"""


class Leaf(NamedTuple):
    """One leaf of the survey's taxonomy.

    Attributes:
        name: of the leaf, with those of its branches.
        does: what is done here.
        steps, figures, experiments: by which.
        missing: what none of them tells.
    """

    name: str
    does: str
    steps: tuple[str, ...]
    figures: tuple[str, ...]
    experiments: tuple[str, ...]
    missing: str


@cache
def leaves() -> tuple[Leaf, ...]:
    """Every leaf, in the order of the survey."""
    return tuple(_read())


def leaves_of(figure: str) -> list[str]:
    """The names of the leaves that a figure stands for."""
    return [leaf.name for leaf in leaves() if figure in leaf.figures]


def page() -> str:
    """docs/survey.md."""
    return "\n".join([HEAD, *map(_section, leaves())])


def _read() -> Iterator[Leaf]:
    for name, of in OmegaConf.load(Path(__file__).with_suffix(".yaml")).items():
        steps, figures, experiments = (tuple(of[kind]) for kind in ("steps", "figures", "experiments"))
        yield Leaf(str(name), of["does"], steps, figures, experiments, of["not"])


def _section(leaf: Leaf) -> str:
    lists = {"Steps": leaf.steps, "Figures": leaf.figures, "Experiments": leaf.experiments}
    names = [f"- {kind}: {', '.join(f'`{name}`' for name in found)}" for kind, found in lists.items() if found]
    return "\n".join([f"## {leaf.name}\n\n{_sentence(leaf.does)}\n", *names, f"- Not told: {leaf.missing}.\n"])


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
