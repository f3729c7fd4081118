"""Rows of a site by hand, drawn tokens, and importance of several sites."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from lode.checks.capture import check_sites
from lode.checks.experiment import check_captured_sites
from lode.config import SiteConfig
from lode.engine.errors import UserError
from lode.engine.tables import read_provenance, read_table, with_nulls, write_table
from lode.grouping import PROMPT, domain
from lode.importance import METRICS
from lode.importance.aggregation import importance_columns
from lode.model.adapter import Adapter
from lode.model.masks import find_mask
from lode.model.sites import Site
from lode.model.tokens import TOKEN_KINDS
from lode.page.report.budget import shortfalls
from lode.recording import prepare, record_batch
from lode.recording._quota import draw, quota_of
from lode.recording._rows import find_parts, moments_of, union_of
from lode.recording.activations import recording
from lode.selection import lape, read
from lode.stages import aggregate_importance
from lode.study import compose, restrict
from lode.table._dense import dense, of_site
from lode.table._reading import with_gradients
from lode.table.attributions import ATTRIBUTIONS
from lode.table.importance import IMPORTANCE
from lode.table.statistics import STATISTICS
from tests.dense_tables import MODALITIES, statistics
from tests.recorded import MODALITY, capture
from tests.tiny_model import RECORDS

MADE_BY = {"config": {}, "code_digest": "unknown", "dead_layers": {"tower": [1]}}
TEXT, IMAGE, WHOLE = (MODALITIES.index(name) for name in ("text", "image", PROMPT))


def test_moments_by_hand() -> None:
    """Three rows of two neurons; a union of parts adds counts and sums, and takes the larger maximum."""
    rows = torch.tensor([[1.0, -2.0], [-3.0, 0.0], [4.0, -1.0]])
    assert moments_of(rows).tolist() == [[2, 0], [2, -3], [8, 3], [4, 0]]
    parts = {0: moments_of(rows[:1]), 2: moments_of(rows[1:])}
    assert torch.equal(union_of(parts, (0, 2)), moments_of(rows))
    assert torch.equal(union_of(parts, (2,)), parts[2])


def test_moments_of_many_rows_do_not_depend_on_blocks() -> None:
    rows = torch.randn(701, 300, generator=torch.Generator().manual_seed(0))
    found = moments_of(rows.bfloat16()), moments_of(rows)
    for moments, of in zip(found, (rows.bfloat16().float(), rows), strict=True):
        expected = torch.stack([(of > 0).sum(0).float(), of.sum(0), of.abs().sum(0), of.amax(0)])
        torch.testing.assert_close(moments, expected, rtol=1e-4, atol=1e-4)
        assert torch.equal(moments[0], expected[0])


def test_parts_and_groups_of_rows_by_hand() -> None:
    """Five rows: two of padding, two of the image, one of sound that was not drawn."""
    codes = torch.tensor([-1, 2, 2, -1, 4])
    parts = find_parts(torch.tensor([-1, 2, 2, -1, -1]), codes, MODALITY)
    assert {part: of.tolist() for part, of in parts.rows.items() if of is not None} == {2: [1, 2]}
    assert parts.counts == {2: 2}
    assert parts.unions == {(2,): [IMAGE, WHOLE]}
    assert parts.num_held.tolist() == [0, 0, 0, 2, 0, 1, 3]
    assert parts.num_all == 5
    whole = find_parts(torch.tensor([2, 2]), torch.tensor([2, 2]), MODALITY)
    assert whole.rows == {2: None}


@pytest.mark.parametrize(
    ("first", "factor", "real"),
    [(0, 1, [1, 1, 1, 0]), (0, 2, [1, 1, 0]), (1, 2, [1, 0, 0]), (2, 4, [1, 0])],
)
def test_a_mask_of_several_entries_a_row(first: int, factor: int, real: list[int]) -> None:
    """Three real frames of `factor` times as many as there are rows."""
    mask = torch.zeros(1, factor * len(real), dtype=torch.long)
    mask[:, :3] = 1
    facts = SiteConfig(mask="heard", mask_first=first)
    site = Site("tower", (), (), True, False, mask=find_mask("tower", facts, None))
    assert site.real_rows({"heard": mask}, "audio", len(real)).int().tolist() == real
    with pytest.raises(UserError, match=f"{factor * len(real)} entries, and the site has 7 rows"):
        site.real_rows({"heard": mask}, "audio", 7)
    with pytest.raises(UserError, match=r"model.sites.tower.mask = 'heard': it is no input of the model.*takes seen"):
        site.real_rows({"seen": mask}, "audio", len(real))
    assert replace(site, mask=None).real_rows({}, "audio", 2).tolist() == [True, True]


# --- an equal number of tokens ----------------------------------------------------------------------------------------


def test_a_budget_is_shared_out_among_samples() -> None:
    assert [quota_of(budget, 7) for budget in (None, 1, 7, 8, 100)] == [None, 1, 1, 2, 15]


def test_tokens_are_drawn_by_the_id_of_their_sample() -> None:
    """No more than the quota of a sample, all of one with fewer, each token as often as any other of whatever part."""
    codes = torch.tensor([[-1, 0, 0, 0, 0, 1, 1, -2]])
    assert draw(codes, [{"sample_id": "a"}], None) is codes
    assert torch.equal(draw(codes, [{"sample_id": "a"}], 6), codes)
    times = torch.zeros(8)
    for index in range(600):
        found = draw(codes, [{"sample_id": f"s{index}"}], 2)[0]
        assert ((found == codes[0]) | (found == -1)).all()
        assert ((found >= 0).sum(), found[-1]) == (2, -2)
        times += found >= 0
    assert times[1:7].min() > 150  # 200 each, and four standard errors below that are 154
    assert times[1:7].max() < 250
    once, again = (draw(codes.repeat(2, 1), [{"sample_id": name} for name in ("a", "b")], 2) for _ in range(2))
    assert torch.equal(once, again)
    assert torch.equal(once[:1], draw(codes, [{"sample_id": "a"}], 2))


@pytest.mark.parametrize(("num_media", "num_words"), [(2500, 40), (2300, 30), (2300, 300), (160, 40)])
def test_a_budget_keeps_the_mixture_of_a_prompt(num_media: int, num_words: int) -> None:
    """Every sample gives the quota over all its tokens, and media as large a share of it as they have of the prompt."""
    made, quota, num_samples = domain.grouping({"one": ["d"]}), 143, 50
    kinds = torch.tensor([[TOKEN_KINDS.index("image")] * num_media + [TOKEN_KINDS.index("text")] * num_words])
    samples = [{"sample_id": f"s{index}", "dataset": "d"} for index in range(num_samples)]
    codes = draw(made.codes_of(kinds.repeat(num_samples, 1), samples), samples, quota)
    assert ((codes >= 0).sum(1) == quota).all()
    natural = num_media / (num_media + num_words)
    error = (natural * (1 - natural) / (quota * num_samples)) ** 0.5
    drawn = (codes == made.parts.index("one_media")).sum() / (codes >= 0).sum()
    assert abs(float(drawn) - natural) < 4 * error


def test_a_budget_at_every_site(tiny: Adapter) -> None:
    """Three tokens of a sample at each site, whatever they are; a quota that no sample reaches changes nothing."""
    kept = capture(tiny, RECORDS, 1, sites=None, quota=3)
    facts: Any = kept.facts()
    assert facts["quota"] == 3
    drawn = {name: of[PROMPT] for name, of in facts["drawn"].items()}
    assert {name: (of["num_samples"], of["num_tokens"]) for name, of in drawn.items()} == {
        "lm_gate": (len(RECORDS), 3 * len(RECORDS)),
        "vision_tower": (4, 12),
        "projector": (4, 12),
    }
    assert [facts["drawn"][name]["image"]["num_held"] for name in drawn] == [36, 144, 36]
    parts = [facts["drawn"]["lm_gate"].get(name, {"num_tokens": 0})["num_tokens"] for name in MODALITY.parts]
    assert sum(parts) == 3 * len(RECORDS)
    assert facts["num_missing"] == dict.fromkeys(drawn, 0)
    whole, large = (capture(tiny, RECORDS, 1, sites=None, quota=quota) for quota in (None, 10**6))
    for name, values in whole.columns().items():
        assert values.equals(large.columns()[name]), name
    assert "num_missing" not in whole.facts()


def test_what_a_budget_lacks_is_recorded_and_said(tiny: Adapter, tmp_path: Path) -> None:
    """Four samples with 9 rows each at the projector and 36 at the tower, of a quota of 80; a prompt may be shorter."""
    kept = capture(tiny, RECORDS, 1, sites=None, quota=80)
    facts: Any = kept.facts()
    lengths = [int((prepare(tiny, [sample], MODALITY).codes >= 0).sum()) for sample in RECORDS]
    assert facts["num_missing"] == {
        "lm_gate": sum(max(0, 80 - length) for length in lengths),
        "vision_tower": 4 * 44,
        "projector": 4 * 71,
    }
    assert min(lengths) < 80 < max(lengths)
    path = tmp_path / "m" / "toy" / "0.parquet"
    write_table(path, STATISTICS, with_nulls(kept.columns(), STATISTICS), {**MADE_BY, **facts})
    assert [found[2:] for found in shortfalls([str(path)])] == [
        ("lm_gate", facts["num_missing"]["lm_gate"], 80 * len(RECORDS)),
        ("projector", 4 * 71, 4 * 80),
        ("vision_tower", 4 * 44, 4 * 80),
    ]


# --- what cannot be ---------------------------------------------------------------------------------------------------


def test_rows_of_several_samples_are_refused(tiny: Adapter) -> None:
    with pytest.raises(UserError, match=r"2 samples in a batch, .* site vision_tower .*capture.batch_size=1"):
        capture(tiny, RECORDS[:2], 2, sites=["vision_tower"])
    assert recording(tiny, MODALITY, sites=None).most_samples(50) == 1
    assert recording(tiny, MODALITY).most_samples(50) == 50


def test_sites_that_are_not_there_are_refused(tiny: Adapter) -> None:
    assert list(recording(tiny, MODALITY, sites=["projector", "lm_gate", "audio_tower"]).sites) == [
        "lm_gate",
        "projector",
    ]
    with pytest.raises(UserError, match="has none of audio_tower; expected one of lm_gate"):
        recording(tiny, MODALITY, sites=["audio_tower"])
    check_sites(compose(["capture.sites=[audio_tower,projector]"]))
    for sites in ("[audio_tower]", "[lm_gate,lm_gate]", "[]"):
        with pytest.raises(UserError, match=r"expected each once, and at least one of lm_gate"):
            check_sites(compose([f"capture.sites={sites}"]))
    check_captured_sites(["audio_tower", "lm_gate"], {"a": ["lm_gate"], "b": ["audio_tower"]})
    with pytest.raises(UserError, match=r"unknown site of capture.sites 'vison_tower'.*Did you mean vision_tower"):
        check_captured_sites(["vison_tower"], {"a": ["lm_gate", "vision_tower"]})


def test_dead_layers_are_given_as_zero(tiny: Adapter) -> None:
    sites = {name: replace(site, dead=(0,)) for name, site in tiny.sites.items()}
    dead, alive = (capture(of, RECORDS, 1, sites=None) for of in (replace(tiny, sites=sites), tiny))
    for name in ("positive_count", "mean_sum", "prob_score_sum"):
        for site in tiny.sites:
            one, other = (dense(of_site(table_of(kept), site), [name])[1][0] for kept in (dead, alive))
            assert not one[:, 0].any()
            assert other[:, 0].any()
            np.testing.assert_array_equal(one[:, 1:], other[:, 1:])


def table_of(kept: Any) -> pa.Table:
    return pa.table(with_nulls(kept.columns(), STATISTICS), schema=STATISTICS.schema)


# --- importance of several sites --------------------------------------------------------------------------------------


def of_tower(columns: dict[str, Any]) -> dict[str, Any]:
    """The columns of a site without attention."""
    kept = {name: values for name, values in columns.items() if not name.startswith("attn_")}
    return kept | {"site": ["tower"] * len(kept["layer"])}


def both(gate: dict[str, Any], tower: dict[str, Any]) -> pa.Table:
    parts = (gate, of_tower(tower))
    return pa.concat_tables([pa.table(with_nulls(part, STATISTICS), schema=STATISTICS.schema) for part in parts])


def test_sites_are_aggregated_each_alone(tmp_path: Path) -> None:
    """At the gate text is (2 / 4 + 1 / 5) / 2 as always. At the tower only dataset a is seen: image 1 / 2 in one."""
    a = both(
        statistics({TEXT: 4, IMAGE: 2, WHOLE: 4}, {TEXT: 2.0, IMAGE: 1.0}),
        statistics({IMAGE: 2, WHOLE: 2}, {IMAGE: 1.0}, pooled=3.0),
    )
    b = both(statistics({TEXT: 5, WHOLE: 5}, {TEXT: 1.0}), statistics({}, {}))
    for name, table in (("a", a), ("b", b)):
        columns = {column: table[column] for column in table.column_names}
        write_table(tmp_path / "m" / name / "0.parquet", STATISTICS, columns, MADE_BY)
    paths = ",".join(str(tmp_path / "m" / name / "0.parquet") for name in ("a", "b"))
    output = tmp_path / "m.parquet"
    given = ("mining_datasets=[a,b]", f"io.statistics=[{paths}]", f"io.importance={output}")
    aggregate_importance.run(restrict(compose(given), "aggregate_importance", ("io", "runtime")), MADE_BY)
    assert read_provenance(output)["dead_layers"] == {"tower": [1]}
    table = read_table(output, IMPORTANCE)
    gate, tower = of_site(table, "lm_gate"), of_site(table, "tower")
    np.testing.assert_allclose(dense(gate, METRICS)[1][0, TEXT], 0.35, rtol=1e-15)
    names, values = dense(tower, METRICS[:3])
    np.testing.assert_allclose(values[:, names.index("image")].T, np.broadcast_to([0.5, 1.0, 1.5], (3, 2, 3)))
    assert not values[:, names.index("text")].any()
    assert tower["attn_k"].null_count == tower.num_rows
    assert not gate["attn_k"].null_count
    with pytest.raises(UserError, match=r"statistics of site tower hold no 'attn_k_sum'.*no attention is read there"):
        read(tower, ["image"], ["attn_k_sum"])
    assert read(tower, ["image"], ["mean_sum"]).shape == (1, 1, 2, 3)


def test_shards_of_other_sites_are_refused() -> None:
    gate = statistics({TEXT: 1, WHOLE: 1}, {})
    one = pa.table(with_nulls(gate, STATISTICS), schema=STATISTICS.schema)
    with pytest.raises(UserError, match="different sites: lm_gate; lm_gate, tower; delete the activations"):
        importance_columns({"a": [one], "b": [both(gate, gate)]})


def test_gradients_are_null_at_other_sites() -> None:
    table = both(*[statistics({TEXT: 1, WHOLE: 1}, {})] * 2)
    gate = of_site(table, "lm_gate")
    values = np.arange(gate.num_rows, dtype=float)
    further = {
        field.name: gate[field.name] if field.name in gate.column_names else values for field in ATTRIBUTIONS.schema
    }
    found = with_gradients(table, pa.table(further, schema=ATTRIBUTIONS.schema))
    assert of_site(found, "lm_gate")["can_sum"].to_pylist() == values.tolist()
    assert of_site(found, "tower")["can_sum"].null_count == gate.num_rows
    alone = with_gradients(gate, pa.table(further, schema=ATTRIBUTIONS.schema))
    assert alone["can_sum"].to_pylist() == values.tolist()


def test_domains_are_chosen_at_a_tower(tiny: Adapter) -> None:
    """From capture to LAPE at a site without attention."""
    made = domain.grouping({"one": ["d0"], "other": ["d1"]})
    seen = [sample for sample in RECORDS if sample["media"]]
    samples = [{**sample, "dataset": f"d{index % 2}"} for index, sample in enumerate(seen)]
    kept = recording(tiny, made, sites=["vision_tower"])
    for sample in samples:
        record_batch(tiny, prepare(tiny, [sample], made), [kept])
    statistics_of = {"all": [table_of(kept)]}
    table = pa.table(with_nulls(importance_columns(statistics_of), IMPORTANCE), schema=IMPORTANCE.schema)
    sets = lape.select_neurons(table, ["one", "other"], 0.1, 1, percentile=50.0)
    assert 1 <= len(sets["one"][0]) + len(sets["other"][0]) <= 6
