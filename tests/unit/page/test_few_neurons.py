"""Sites at which a ratio asks for too few neurons a group to draw controls for."""

import pyarrow as pa

from lode.figure import Table
from lode.page.report.sets import few_at


def test_sites_with_too_few_neurons_a_group_are_named() -> None:
    """Of five groups 14 neurons are fewer than three each, and 15 are not."""
    table = Table({"model": "m", "selection": "s"}, pa.table({}))
    asked, groups = {"projector": 14, "vision_tower": 15}, {"projector": 5, "vision_tower": 5}
    record = {"kind": "neurons", "what": "/".join(table.keys.values()), "num_asked_of_site": asked}
    assert few_at(table, [{**record, "num_groups_of_site": groups}]) == [
        {"site": "projector", "num_asked": 14, "num_groups": 5}
    ]
    assert few_at(table, [{key: record[key] for key in ("kind", "what")}]) == []
