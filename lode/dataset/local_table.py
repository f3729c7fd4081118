"""Your own data: a Parquet file with the record schema of the dataset table.

Columns: sample_id, cluster_id, split (`mine` / `report`), prompt, media (list of {kind, bytes, mime}),
answers, choices, answer_index (-1 where there are no choices), meta (JSON).
"""

import json
from collections.abc import Iterator

from lode.artifacts import read_table
from lode.config import ROOT
from lode.dataset import Medium, Sample
from lode.errors import UserError


def samples(split: str, num_samples: int, seed: int, path: str) -> Iterator[Sample]:
    """Yield the first `num_samples` records of the split.

    Args:
        split: `mine` or `report`.
        num_samples: at most this many.
        seed: not used; the file's order counts.
        path: the Parquet file, relative to the project or absolute.
    """
    del seed
    file = ROOT / path
    if not file.is_file():
        raise UserError(f"dataset.options.path: {file} is not a file")
    table = read_table(file, "dataset")
    rows = [row for row in table.to_pylist() if row["split"] == split]
    for row in rows[:num_samples]:
        media = tuple(Medium(**medium) for medium in row.pop("media") or ())
        answers, choices = (tuple(row.pop(name) or ()) for name in ("answers", "choices"))
        meta = json.loads(row.pop("meta") or "{}")
        yield Sample(**{name: row[name] for name in ("sample_id", "cluster_id", "split", "prompt", "answer_index")},
                     answers=answers, media=media, choices=choices, meta=meta)
