"""Reference values of interventions: class means by hand, donors that are a derangement, means of one sample."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from lode.engine.errors import UserError
from lode.grouping import domain, meta
from lode.grouping.modality import GROUPS, grouping
from lode.intervention import View
from lode.intervention._reference import check_donors, class_means, donors_of, reply_codes, token_means
from lode.model.adapter import Adapter
from lode.model.encoding import encode
from lode.model.tokens import REPLY, TOKEN_KINDS
from lode.table._dense import neuron_columns
from tests.tiny_model import NUM_LAYERS, RECORDS

MODALITIES = tuple(GROUPS)


def importance(
    mean_sum: dict[str, list[float]], num_samples: dict[str, int], names: Sequence[str] = MODALITIES
) -> pa.Table:
    """One layer of two neurons."""
    columns = neuron_columns(names, 1, 2)
    columns["mean_sum"] = np.concatenate([mean_sum.get(name, [0.0, 0.0]) for name in names])
    columns["num_samples"] = np.repeat([num_samples.get(name, 0) for name in names], 2)
    return pa.table(columns)


def test_class_means_by_hand() -> None:
    """Text 1, 2; special 3, 4; image 6, -6; text and special 2, 3; everything 4, 0."""
    sums = {"text": [10, 20], "special": [30, 40], "image": [24, -24], "special_text": [20, 30], "prompt": [40, 0]}
    counts = {"text": 10, "special": 10, "image": 4, "special_text": 10, "prompt": 10}
    means = class_means(importance(sums, counts), grouping())
    expected = {
        "text": ([1, 2], [4.5, -1]),
        "special": ([3, 4], [3.5, -2]),
        "image": ([6, -6], [2, 3]),
        "special_text": ([2, 3], [6, -6]),
        "prompt": ([4, 0], [4, 0]),  # no other: its own
    }
    assert means.keys() == expected.keys(), "a modality that does not occur has no mean"
    for name, (own, others) in expected.items():
        np.testing.assert_allclose(means[name][:, 0], [own, others])


def test_class_means_of_domains_by_hand() -> None:
    """Media are compared with media and words with words; `form` does not occur."""
    made = domain.grouping({"road": ["a"], "scan": ["b"], "form": ["c"], "aerial": ["d"]})
    sums = {
        "road": [1, 2], "road_media": [3, 4], "road_words": [100, 100],
        "scan": [5, 6], "scan_media": [7, 8], "scan_words": [-100, 100],
        "aerial": [9, 0], "aerial_media": [1, -8], "aerial_words": [0, 50],
    }  # fmt: skip
    means = class_means(importance(sums, dict.fromkeys(sums, 1), made.names), made)
    assert means.keys() == sums.keys()
    for name, others in {"road": [7, 3], "road_media": [4, 0], "scan_words": [50, 75]}.items():
        np.testing.assert_allclose(means[name][:, 0], [sums[name], others])


def samples(*clusters: int) -> list[dict[str, Any]]:
    """Clusters of so many samples."""
    return [
        {"sample_id": f"{cluster}-{i}", "cluster_id": f"c{cluster}"}
        for cluster, size in enumerate(clusters)
        for i in range(size)
    ]


@pytest.mark.parametrize("clusters", [(1, 1), (1,) * 9, (2, 3, 1, 4), (4, 2, 2), (3, 3)])
def test_every_sample_donates_once_and_to_another_cluster(clusters: tuple[int, ...]) -> None:
    rows = samples(*clusters)
    for seed in range(5):
        donors = donors_of(rows, seed)
        assert sorted(donor["sample_id"] for donor in donors.values()) == sorted(donors)
        assert donors.keys() == {row["sample_id"] for row in rows}
        assert all(donors[row["sample_id"]]["cluster_id"] != row["cluster_id"] for row in rows)


@pytest.mark.parametrize("clusters", [(3,), (5, 1), (7, 2, 1)])
def test_a_sample_is_never_its_own_donor(clusters: tuple[int, ...]) -> None:
    donors = donors_of(samples(*clusters), 0)
    assert all(donor["sample_id"] != name for name, donor in donors.items())
    assert len({donor["sample_id"] for donor in donors.values()}) == len(donors)


def test_donors_depend_on_the_seed_and_not_on_the_order() -> None:
    rows = samples(*[1] * 20)
    assert donors_of(rows, 1) == donors_of(rows[::-1], 1)
    assert donors_of(rows, 1) != donors_of(rows, 2)


def test_a_single_sample_has_no_donor() -> None:
    with pytest.raises(UserError, match=r"resample: 1 sample in split 'test'; expected at least 2"):
        donors_of(samples(1), 0)


def test_token_means_of_each_sample(tiny: Adapter) -> None:
    """In a padded batch as alone; 0 for a modality that a sample does not hold."""
    means, held = token_means(tiny, RECORDS[:4], grouping())
    assert len(means) == NUM_LAYERS
    for row, sample in enumerate(RECORDS[:4]):
        batch = encode(tiny, [sample])
        seen: list[torch.Tensor] = []
        handle = tiny.gate.activation[1].register_forward_hook(lambda *call: seen.append(call[2][0]))  # noqa: B023
        with torch.inference_mode():
            tiny.model(**batch.inputs, use_cache=False)
        handle.remove()
        for code, name in enumerate(TOKEN_KINDS):
            tokens = batch.token_kind[0] == code
            assert held[row, code] == tokens.any()
            expected = seen[0][tokens].mean(0) if tokens.any() else torch.zeros(seen[0].shape[1])
            torch.testing.assert_close(means[1][row, code], expected, rtol=1e-4, atol=1e-5, msg=f"{row} {name}")


def test_a_donor_without_the_medium_is_refused(tiny: Adapter) -> None:
    batch = encode(tiny, RECORDS[:2])
    _, held = token_means(tiny, RECORDS[1::-1], grouping())
    with pytest.raises(UserError, match="sample a holds image and its donor does not; expected a benchmark whose"):
        check_donors(RECORDS[:2], batch.token_kind, held, grouping())
    check_donors(RECORDS[:2], batch.token_kind, token_means(tiny, RECORDS[:2], grouping())[1], grouping())


def test_a_reply_counts_as_the_text_of_its_sample() -> None:
    """Of modalities as text; of domains as the words of its own name, and without a name as the rest."""
    assert reply_codes(RECORDS[:2], grouping()).tolist() == [TOKEN_KINDS.index("text")] * 2
    made = domain.grouping({"road": ["a"], "scan": ["b"]})
    found = reply_codes([{"dataset": name} for name in ("a", "b", "c")], made)
    assert [made.parts[code] for code in found] == ["road_words", "scan_words", "rest"]


def test_a_reply_takes_the_words_of_a_donor_of_its_domain(tiny: Adapter) -> None:
    """A plain version: the mean over the words and markup of the donor's prompt, and never 0."""
    made = domain.grouping({"road": ["a"], "scan": ["b"]})
    donors = [{**RECORDS[2], "dataset": "b"}, {**RECORDS[0], "dataset": "a"}]
    means, _ = token_means(tiny, donors, made)
    for row, donor in enumerate(donors):
        batch = encode(tiny, [donor])
        seen: list[torch.Tensor] = []
        handle = tiny.gate.activation[0].register_forward_hook(lambda *call: seen.append(call[2][0]))  # noqa: B023
        with torch.inference_mode():
            tiny.model(**batch.inputs, use_cache=False)
        handle.remove()
        words = batch.token_kind[0] < TOKEN_KINDS.index("image")
        reply = torch.full((2, 1), REPLY)
        step = torch.ones(2, 1, seen[0].shape[1])
        found = View(step, step, reply, donors=means[0]).donor_mean[row, 0]
        assert found.any()
        torch.testing.assert_close(found, seen[0][words].mean(0), rtol=1e-4, atol=1e-5)


def test_a_donor_of_another_name_is_refused(tiny: Adapter) -> None:
    """Groups of samples of one benchmark: what a donor of another name has is not what this one would."""
    made = meta.grouping("category", ["VIS", "CAL"])
    rows = [
        {**sample, "meta": f'{{"category": "{value}"}}'}
        for sample, value in zip(RECORDS[:2], ("VIS", "CAL"), strict=True)
    ]
    codes = made.codes_of(encode(tiny, rows).token_kind, rows)
    _, held = token_means(tiny, rows[::-1], made)
    with pytest.raises(UserError, match="sample a holds VIS_media and its donor does not"):
        check_donors(rows, codes, held, made)
    assert held[:, -1].all()
    only_replies = torch.full_like(codes, REPLY)
    with pytest.raises(UserError, match="sample a holds VIS_words and its donor does not"):
        check_donors(rows, only_replies, held, made)
