"""Plant at a site and prove it: in the gate by tokens of modalities, elsewhere by rows of any groups of media."""

from collections.abc import Mapping, Sequence
from typing import Any

from lode.engine.errors import UserError
from lode.grouping import Grouping
from lode.model.adapter import Adapter
from lode.neurons import LM_GATE
from lode.planting.calibration import observe
from lode.planting.plant import plant
from lode.planting.plant_rows import plant_rows
from lode.planting.proof import prove_planting
from lode.planting.prove_rows import prove_rows

Row = dict[str, Any]


def plant_at_site(
    adapter: Adapter, samples: Mapping[str, Sequence[Row]], grouping: Grouping, options: Any
) -> tuple[Adapter, list[Row], list[Row]]:
    """The planted model, the truth and the proof.

    Args:
        adapter: the model as it is.
        samples: of each dataset those that are mined. In the gate the first `planting.num_samples` serve to design and
            to prove; at other sites as many others, where there are, prove.
        grouping: what is compared.
        options: the `planting` section.

    Raises:
        UserError: the model or the samples do not allow it, or something is not as it was designed.
    """
    count, groups = options.num_samples, list(options.groups)
    first = {name: rows[:count] for name, rows in samples.items()}
    if options.site == LM_GATE:
        planted, truth = plant(adapter, observe(adapter, first), options)
        return planted, *prove_planting(adapter, planted, truth, groups, first)
    others = {name: rows[count : 2 * count] for name, rows in samples.items()}
    few = [name for name, rows in others.items() if not rows]
    if few:
        raise UserError(
            f"planting.num_samples = {count}: {', '.join(few)} has no other samples to mine, on which planted neurons "
            "are proved; expected fewer than are mined, say two thirds"
        )
    planted, truth = plant_rows(adapter, [row for rows in first.values() for row in rows], grouping, options)
    return planted, *prove_rows(adapter, planted, truth, options.site, grouping, groups, others)
