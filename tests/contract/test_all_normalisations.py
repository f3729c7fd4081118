"""Importance under every normalisation at once equals five captures, one after the other, down to what is selected."""

import numpy as np
import pyarrow as pa
import pytest

from lode.engine.errors import UserError
from lode.engine.tables import with_nulls
from lode.grouping.modality import GROUPS
from lode.importance import METRICS, NORMALISATIONS, by_normalisation, score_sums
from lode.importance.aggregation import importance_columns
from lode.model.adapter import Adapter
from lode.selection import miner
from lode.table._dense import dense_lists
from lode.table.importance import IMPORTANCE
from lode.table.statistics import STATISTICS
from tests.recorded import capture
from tests.tiny_model import NUM_LAYERS, RECORDS

SOME, MODALITIES = ("text", "special", "image"), len(GROUPS)


def shard(tiny: Adapter, part: slice, normalisation: str, every: bool) -> pa.Table:
    kept = capture(tiny, RECORDS[part], 3, normalisation=normalisation, all_normalisations=every)
    return pa.table(with_nulls(kept.columns(), STATISTICS), schema=STATISTICS.schema)


def importance(tiny: Adapter, normalisation: str, every: bool) -> pa.Table:
    """Of two datasets, one of them in two shards."""
    parts = {"a": [slice(0, 3), slice(3, 5)], "b": [slice(5, 7)]}
    shards = {name: [shard(tiny, part, normalisation, every) for part in each] for name, each in parts.items()}
    return pa.table(with_nulls(importance_columns(shards), IMPORTANCE), schema=IMPORTANCE.schema)


def test_five_captures_at_once(tiny: Adapter) -> None:
    together = importance(tiny, "minmax", True)
    for place, kind in enumerate(NORMALISATIONS):
        alone = importance(tiny, kind, False)
        for metric in METRICS:
            values = dense_lists(together, by_normalisation(metric))[..., place]
            np.testing.assert_array_equal(values.ravel(), alone[metric].to_numpy())
        for strategy in miner.STRATEGIES:
            asked = {"strategy": strategy, "mix": "all"}
            here = miner.select_neurons(together, SOME, 0.2, 5, **asked, normalisation=kind)
            there = miner.select_neurons(alone, SOME, 0.2, 5, **asked)
            scores = (
                miner.score_neurons(together, SOME, **asked, normalisation=kind),
                miner.score_neurons(alone, SOME, **asked),
            )
            np.testing.assert_array_equal(*scores)
            for name in SOME:
                np.testing.assert_array_equal(here[name][0], there[name][0])


def test_the_others_are_as_without(tiny: Adapter) -> None:
    with_all, without = (shard(tiny, slice(0, 3), "rank", every) for every in (True, False))
    for name in STATISTICS.schema.names:
        if name not in map(score_sums, METRICS):
            assert with_all[name].equals(without[name]), name
    assert dense_lists(with_all, "mean_score_sums").shape[:2] == (MODALITIES, NUM_LAYERS)


def test_what_was_not_captured_is_refused(tiny: Adapter) -> None:
    with pytest.raises(UserError, match=r"no 'prob_by_normalisation'.*capture\.all_normalisations=true"):
        miner.score_neurons(importance(tiny, "minmax", False), SOME, normalisation="rank")
    with pytest.raises(UserError, match=r"unknown normalisation 'ranks'.*Did you mean rank"):
        miner.check_options(normalisation="ranks")
