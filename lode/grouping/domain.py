"""Domain: which field a sample is of, by the dataset that it comes from: roads, forms, scans, ...

A domain is one dataset or several; samples of others are `rest`. All tokens of a prompt count, as published, or media
alone, or words alone: `selection.group_split` says which. How domains look, and which groups have no benchmarks of
their own, says a YAML of `config/grouping/`.
Source: MMNeuron (arXiv 2406.11193), section 3, where all tokens count; docs/methods.md 1.3.

What it does not tell: whether a neuron serves the domain or how its questions are worded. Over all tokens of the
language model it is largely the prompt that tells domains apart; the split `media` is less open to that, and a capture
of blank media or under one prompt for all says how much.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from lode.engine.errors import UserError
from lode.grouping import Grouping
from lode.grouping._named import by_name, parts_of


def grouping(domains: Mapping[str, Sequence[str]]) -> Grouping:
    """The domains.

    Args:
        domains: by name, the datasets of each.

    Raises:
        UserError: a domain without a dataset, a dataset in two domains, a name that no group may have.
    """
    datasets = [dataset for of in domains.values() for dataset in of]
    empty = [name for name, of in domains.items() if not of]
    twice = sorted({dataset for dataset in datasets if datasets.count(dataset) > 1})
    if empty or twice:
        raise UserError(
            f"grouping.options.domains: {', '.join(empty or twice)} {'has no dataset' if empty else 'is named twice'}; "
            "expected datasets for each domain, each dataset in one. Correct the YAML of the grouping"
        )
    by_dataset = {dataset: name for name, of in domains.items() for dataset in of}
    return by_name(tuple(domains), partial(domain_of, by_dataset), partial(held, by_dataset), datasets)


def domain_of(by_dataset: Mapping[str, str], sample: Mapping[str, Any]) -> str | None:
    """The domain of a sample; None where its dataset is in none, or it is from no dataset."""
    return by_dataset.get(sample.get("dataset", ""))


def held(by_dataset: Mapping[str, str], dataset: Any) -> tuple[str, ...]:
    """What the samples of a dataset hold, by its `dataset` section."""
    return parts_of(by_dataset.get(dataset.name))
