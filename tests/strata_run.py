"""Tables of strata and of a declared contrast on disk, as score_strata and compare_strata write them."""

from pathlib import Path

import numpy as np

from lode.engine.tables import provenance, write_table
from lode.stages.compare_strata import contrast_rows
from lode.stages.score_strata import stratum_rows
from lode.statistics.ranked import Ranked
from lode.table.contrasts import CONTRASTS
from lode.table.strata import STRATA
from tests.unit.stages.test_compare_strata import BLANK, DECLARED, ITEMS, SETS, by_hand, ranked_of, samples, scored

PLACE = "tiny_qwen2_vl/miner/zero/toy"


def write_strata(folder: Path) -> dict[str, list[str]]:
    """The tables of one run, by their names."""
    values = scored(by_hand())
    ranked = [Ranked(BLANK.set_name, 0, "", [], None, None), *ranked_of(SETS)]
    rows = {
        STRATA: list(stratum_rows(values, "category", np.array([category for category, _ in ITEMS]))),
        CONTRASTS: list(contrast_rows(values, samples(ITEMS), "need", DECLARED, ranked)),
    }
    paths = {}
    for table, step in ((STRATA, "score_strata"), (CONTRASTS, "compare_strata")):
        path = folder / step / table.name / f"{PLACE}.parquet"
        write_table(path, table, rows[table], provenance(f'{{"step": "{step}"}}', "code"))
        paths[table.name] = [str(path)]
    return paths
