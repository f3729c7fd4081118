"""Domain: which field a sample is of, by the dataset that it comes from: roads, forms, scans, ...

A domain is one dataset or several. Which tokens of a sample count says `tokens`: `all` of its prompt, as published;
`media`, the patches, frames and moments alone; `text`, the words alone. Rows of an encoder's site are media. All else,
and samples of other datasets, is `rest`. How domains look, and which groups have no benchmarks of their own, says a
YAML of `config/grouping/`.
Source: MMNeuron (arXiv 2406.11193), section 3, where all tokens count; docs/methods.md 1.3.

What it does not tell: whether a neuron serves the domain or how its questions are worded. Over all tokens of the
language model it is largely the prompt that tells domains apart; `media` is less open to that, and a capture of blank
media or under one prompt for all says how much.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from lode.engine.errors import UserError
from lode.grouping import Grouping
from lode.grouping._named import by_name, parts_of


def grouping(domains: Mapping[str, Sequence[str]], tokens: str = "all") -> Grouping:
    """The domains.

    Args:
        domains: by name, the datasets of each.
        tokens: which tokens count: `all`, `media` or `text`.

    Raises:
        UserError: a domain without a dataset, a dataset in two domains, a name that no group may have, unknown tokens.
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
    return by_name(tuple(domains), partial(domain_of, by_dataset), partial(held, by_dataset, tokens), tokens, datasets)


def domain_of(by_dataset: Mapping[str, str], sample: Mapping[str, Any]) -> str | None:
    """The domain of a sample; None where its dataset is in none, or it is from no dataset."""
    return by_dataset.get(sample.get("dataset", ""))


def held(by_dataset: Mapping[str, str], tokens: str, dataset: Any) -> tuple[str, ...]:
    """What every sample of a dataset holds, by its `dataset` section."""
    return parts_of(by_dataset.get(dataset.name), tokens, dataset.modalities)
