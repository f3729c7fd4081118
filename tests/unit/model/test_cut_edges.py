"""Which edges are cut, by hand: two rows, one of them padded, a prompt of five tokens and an answer of two."""

from collections import Counter

import pytest
import torch

from lode.engine.errors import UserError
from lode.grouping.modality import grouping
from lode.model.attention import visible_keys
from lode.model.cutting import (
    edges_between,
    first_in_order,
    matched_edges,
    no_edges,
    order_of,
    order_of_places,
    run_lengths,
    seen_before,
    tokens_of,
    without,
)

GROUPING = grouping()
#: text 0, special 1, image 2; padding -1, the answer -2.
KINDS = torch.tensor([[1, 2, 2, 0, 1, -2, -2], [-1, -1, 2, 0, 1, -2, -1]])
SAMPLES = [{"sample_id": "a"}, {"sample_id": "b"}]


def places(name: str) -> list[list[int]]:
    return [row.nonzero()[:, 0].tolist() for row in tokens_of(name, KINDS, SAMPLES, GROUPING)]


def test_groups_of_tokens() -> None:
    """The last token of the prompt, place 4, is of no group but `last`, though it is special."""
    assert places("last") == [[4, 5, 6], [4, 5]]
    assert places("media") == places("image") == [[1, 2], [2]]
    assert places("special") == [[0], []]
    assert places("text") == [[3], [3]]
    assert places("special_text") == [[0, 3], [3]]
    assert places("before") == places("prompt") == [[0, 1, 2, 3], [2, 3]]
    with pytest.raises(UserError, match=r"unknown group of tokens 'imag'.*image"):
        places("imag")


def pair(source: str, target: str) -> tuple[torch.Tensor, torch.Tensor]:
    edges = edges_between(*(tokens_of(name, KINDS, SAMPLES, GROUPING) for name in (source, target)), KINDS)
    return edges.cut, edges.later


def test_edges_by_hand() -> None:
    cut, later = pair("image", "last")
    assert cut[0].nonzero().tolist() == [[q, k] for q in (4, 5, 6) for k in (1, 2)]
    assert cut[1].nonzero().tolist() == [[4, 2], [5, 2]]
    assert later.nonzero().tolist() == [[0, 1], [0, 2], [1, 2]], "what is written later sees no image either"
    cut, later = pair("image", "text")
    assert cut.nonzero().tolist() == [[0, 3, 1], [0, 3, 2], [1, 3, 2]]
    assert not later.any()
    cut, _ = pair("text", "image")
    assert not cut.any(), "the future is not seen"
    cut, _ = pair("before", "before")
    assert not torch.diagonal(cut, dim1=1, dim2=2).any(), "nobody is cut from itself"
    assert cut[0].sum() == 6


def test_first_in_order_by_hand() -> None:
    allowed = torch.tensor([[[True, True, False, True]]])
    order = torch.tensor([[2, 3, 0, 1]])
    assert first_in_order(allowed, torch.tensor([[2]]), order).tolist() == [[[True, False, False, True]]]
    assert not first_in_order(allowed, torch.tensor([[0]]), order).any()


def test_controls_by_hand() -> None:
    """Two neighbours of four for each query of the first row, the same for all three; of the second one of two."""
    seen = set()
    for seed in range(60):
        edges = edges_between(*(tokens_of(name, KINDS, SAMPLES, GROUPING) for name in ("image", "last")), KINDS)
        draw = matched_edges(edges, KINDS, seed)
        keys = draw.cut[0, 4].nonzero()[:, 0].tolist()
        assert [draw.cut[0, query].nonzero()[:, 0].tolist() for query in (5, 6)] == [keys] * 2
        assert draw.later[0].nonzero()[:, 0].tolist() == keys
        assert not draw.cut[0, :4].any()
        assert draw.cut[1].sum() == 2
        assert not draw.cut[1, :4].any()
        seen.add(tuple(keys))
    assert seen == {(0, 1), (1, 2), (2, 3)}, "the group itself is one draw among them"


def test_a_control_is_one_rule_for_all_samples() -> None:
    """The same places in samples of one length, whatever their batch; of other lengths, from the first or the last."""
    kinds = torch.zeros(3, 12, dtype=torch.long)
    kinds[2, :2] = -1
    source = torch.zeros_like(kinds, dtype=torch.bool)
    source[:2, [1, 4, 7]], source[2, [3, 6, 9]] = True, True
    target = torch.zeros_like(source)
    target[:, -1] = True
    from_first, from_last = 0, 0
    for seed in range(40):
        keys = matched_edges(edges_between(source, target, kinds), kinds, seed).cut[:, -1]
        (alone,) = matched_edges(edges_between(source[2:, 2:], target[2:, 2:], kinds[2:, 2:]), kinds[2:, 2:], seed).cut
        assert torch.equal(keys[0], keys[1])
        assert torch.equal(keys[2, 2:], alone[-1])
        from_first += torch.equal(keys[0, :10], keys[2, 2:])
        from_last += torch.equal(keys[0, 2:], keys[2, 2:])
    assert from_first > 8
    assert from_last > 8


@pytest.mark.parametrize(("count", "run"), [(1, 1), (7, 1), (7, 3), (7, 7), (7, 9), (0, 1)])
def test_orders_are_of_all_places(count: int, run: int) -> None:
    for seed in range(20):
        assert sorted(order_of_places(count, run, seed).tolist()) == list(range(count))


def test_orders_come_in_runs_and_every_order_is_drawn() -> None:
    """Of six places in runs of three the first three are neighbours; one by one every order comes as often."""
    firsts = {tuple(sorted(order_of_places(6, 3, seed)[:3].tolist())) for seed in range(100)}
    assert firsts == {(0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5)}
    counts = Counter(tuple(order_of_places(3, 1, seed).tolist()) for seed in range(1200))
    assert len(counts) == 6
    assert all(abs(each - 200) < 52 for each in counts.values()), "four standard deviations"


def test_run_lengths_by_hand() -> None:
    keys = torch.tensor([[1, 1, 1, 0, 0, 1], [0, 0, 0, 0, 0, 0], [1, 0, 1, 0, 1, 0], [0, 1, 1, 1, 1, 1]]).bool()
    assert run_lengths(keys) == [2, 1, 1, 5]


def test_the_order_does_not_depend_on_padding() -> None:
    alone, padded = torch.tensor([True] * 4), torch.tensor([False, False, True, True, True, True])
    assert [at - 2 for at in order_of(padded, 2, 7).tolist()[:4]] == order_of(alone, 2, 7).tolist()


def test_masks_of_every_form_lose_the_same() -> None:
    """None, booleans, and what is added to the products; and a query that comes after the batch, with its keys."""
    edges = edges_between(*(tokens_of(name, KINDS, SAMPLES, GROUPING) for name in ("image", "last")), KINDS)
    query = torch.zeros(2, 1, 7, 4)
    expected = visible_keys(None, query, None) & ~edges.cut[:, None]
    assert torch.equal(without(edges, None, query, query, None), expected)
    causal = torch.ones(7, 7).tril().bool()[None, None]
    assert torch.equal(without(edges, causal, query, query, None), expected)
    lowest = torch.finfo(torch.float32).min
    added = torch.zeros(2, 1, 7, 7).masked_fill(~causal, lowest)
    assert torch.equal(without(edges, added, query, query, None) == 0, expected)
    later, keys = torch.zeros(2, 1, 1, 4), torch.zeros(2, 1, 9, 4)
    hidden = ~without(edges, None, later, keys, None)[:, 0, 0]
    assert hidden.nonzero().tolist() == [[0, 1], [0, 2], [1, 2]]
    assert without(no_edges(KINDS), None, later, keys, None).all()


def test_edges_of_the_past_alone() -> None:
    assert seen_before(KINDS)[1].nonzero().tolist() == [[3, 2], [4, 2], [4, 3], [5, 2], [5, 3], [5, 4]]
