"""What the data are: the options that they were made or read with, sizes of the splits, and an example."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

Row = dict[str, Any]


def dataset_facts(name: str, dataset: pa.Table, record: Mapping[str, Any]) -> Row:
    """Options, sizes of the splits, the media, and one sample as an example.

    Args:
        name: of the dataset.
        dataset: the table.
        record: its provenance, which holds what it was prepared with: every option, the defaults too.
    """
    config = record["config"]["dataset"]
    options = [f"{option} = {value}" for option, value in sorted(record["data"]["options"].items())]
    clusters = cluster_sizes(dataset)
    splits = {
        split: {"num_samples": sum(sizes), "num_clusters": len(sizes)} for split, sizes in sorted(clusters.items())
    }
    example = dataset.slice(dataset.num_rows - 1, 1).to_pylist()
    media = sorted({medium["kind"] for row in example for medium in row["media"]})
    facts = {"name": name, "plugin": config["plugin"], "options": options, "splits": splits, "media": media}
    return {**facts, "example": example[0] if example else None}


def cluster_sizes(dataset: pa.Table) -> dict[str, list[int]]:
    """By split, how many samples each cluster holds."""
    counts = Counter((row["split"], row["cluster_id"]) for row in dataset.select(["split", "cluster_id"]).to_pylist())
    found: dict[str, list[int]] = {}
    for (split, _), count in counts.items():
        found.setdefault(split, []).append(count)
    return found
