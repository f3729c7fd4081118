"""What a token budget lacks: datasets whose samples hold fewer tokens than `capture.token_budget` asks of them."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from lode.engine.tables import read_provenance
from lode.grouping import PROMPT
from lode.page.report.numbers import number
from lode.table._keys import keys_of
from lode.table.statistics import STATISTICS


class Shortfall(NamedTuple):
    """A budget that was not reached at a site.

    Attributes:
        model, dataset, site: where.
        missing: tokens that samples were too short to give.
        asked: tokens that the samples with a token there were asked for.
    """

    model: str
    dataset: str
    site: str
    missing: int
    asked: int

    def __str__(self) -> str:
        share = f"{100 * self.missing / self.asked:.1f} %"
        return (
            f"{self.model}, {self.dataset}, {self.site}: {number(self.missing)} of {number(self.asked)} tokens "
            f"({share}) of capture.token_budget are missing, as samples are too short"
        )


def shortfalls(paths: Iterable[str]) -> list[Shortfall]:
    """Of every model, dataset and site whose budget was not reached, how many tokens are missing in all shards.

    Args:
        paths: of statistics tables; those without a budget say nothing.
    """
    missing: Counter[tuple[str, str, str]] = Counter()
    drawn: Counter[tuple[str, str, str]] = Counter()
    for path in paths:
        record, said = read_provenance(path), keys_of(STATISTICS.name, path)
        for site, count in record.get("num_missing", {}).items():
            key = said["model"], said["dataset"], site
            missing[key] += count
            drawn[key] += record["drawn"][site].get(PROMPT, {"num_tokens": 0})["num_tokens"]
    return [Shortfall(*key, count, count + drawn[key]) for key, count in missing.items() if count]
