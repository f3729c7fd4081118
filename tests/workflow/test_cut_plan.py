"""Attention is cut, and heads are ablated, when a figure or `enabled` asks for it; nothing else runs again by it."""

import pytest

from tests.plans import run_again, steps_planned

CUTS, HEADS = {"cut_attention", "compare_cuts"}, {"ablate_heads"}


@pytest.mark.parametrize(
    ("overrides", "planned"),
    [
        ([], set()),
        (["cut.enabled=true"], CUTS),
        (["figures=[cuts]"], CUTS),
        (["heads.enabled=true"], HEADS),
        (["figures=[attention_map]"], HEADS),
        (["figures=[heads,cuts]"], CUTS | HEADS),
        (["cut.max_samples=3"], set()),
    ],
)
def test_who_asks(overrides: list[str], planned: set[str]) -> None:
    assert steps_planned("smoke", overrides, CUTS | HEADS) == planned


@pytest.mark.parametrize(
    ("value", "again"),
    [
        ("cut.num_controls=3", {"cut_attention"}),
        ("cut.pairs=[[media,last]]", {"cut_attention"}),
        ("heads.num_maps=1", {"ablate_heads"}),
    ],
)
def test_a_value_runs_its_step_alone_again(value: str, again: set[str]) -> None:
    drawn = "figures=[heads,cuts]"
    assert run_again("smoke", drawn, value) == again


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("cut.pairs=[[imge,last]]", "imge"),
        ("cut.pairs=[[image]]", "expected .source, target."),
        ("cut.pairs=[]", "cut.pairs"),
        ("cut.windows=[two]", "two"),
        ("cut.num_controls=-1", "cut.num_controls = -1"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_runs(value: str, said: str) -> None:
    from lode.checks.cut import check_cut
    from lode.engine.errors import UserError
    from lode.study import compose

    with pytest.raises(UserError, match=said):
        check_cut(compose([value]))
