"""The same contents in two forms, on states of known truth."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lode.engine.errors import UserError
from tests.states_run import NUM_SAMPLES, WIDTH, aligned, form_rows, samples_of, two_forms

Row = dict[str, Any]
FEW = "align_states.num_permutations=99"


def only(rows: list[Row], **said: Any) -> list[Row]:
    """The rows of some values."""
    return [row for row in rows if all(row[name] == value for name, value in said.items())]


def test_content_is_found_where_both_forms_show_it(tmp_path: Path) -> None:
    """At the last token and at the means of groups; where the medium is blank, or the weights are others, it is not."""
    rows = aligned(tmp_path, two_forms(), FEW)
    assert {(row["form_a"], row["form_b"]) for row in rows} == {("same_content_text", "same_content_image")}
    last = only(rows, layer=2, group_a="last")
    assert [row["group_b"] for row in last] == ["last"] * 3
    clean, *nulls = (only(last, variant=variant)[0] for variant in ("clean", "blank", "permuted_weights"))
    assert clean["p_value"] == clean["retrieval_p"] == 0.01
    assert clean["cka"] > clean["null_high"]
    assert clean["retrieval"] > clean["retrieval_high"] > clean["chance"]
    for null in nulls:
        assert null["p_value"] > 0.05
        assert null["retrieval_p"] > 0.05
    assert clean["chance"] == 2 / NUM_SAMPLES
    assert {(row["group_a"], row["group_b"]) for row in rows} == {
        *((a, b) for a in ("text", "special") for b in ("text", "image")), ("last", "last"),
    }  # fmt: skip
    assert {row["num_pairs"] for row in rows} == {NUM_SAMPLES}
    assert {(row["num_contents"], row["num_templates"]) for row in rows} == {(NUM_SAMPLES // 2, 4)}


def test_templates_alone_are_no_content(tmp_path: Path) -> None:
    """Forms that share their four templates, and no words, are not alike: what templates add is taken off."""
    rows = [
        row
        for seed in range(12)
        for row in only(aligned(tmp_path / str(seed), two_forms(False, seed), FEW), layer=2, group_a="last")
        if row["variant"] == "clean"
    ]
    assert abs(np.mean([row["cka"] for row in rows])) < 0.1
    assert sum(row["p_value"] <= 0.05 for row in rows) <= 2
    assert sum(row["retrieval_p"] <= 0.05 for row in rows) <= 2


def test_states_that_do_not_differ_are_undefined(tmp_path: Path) -> None:
    for row in only(aligned(tmp_path, two_forms(), FEW), layer=0):
        assert [row[name] for name in ("cka", "null_high", "p_value", "retrieval", "retrieval_p")] == [None] * 5
        assert row["chance"] == 2 / NUM_SAMPLES


def test_pairs_are_made_by_id(tmp_path: Path) -> None:
    """The order of the rows of one form changes nothing; samples of one form alone are left out."""
    forms = two_forms()
    before = aligned(tmp_path / "1", forms, FEW)
    turned = {name: sorted(rows, key=lambda row: (row["variant"] != "clean", row["variant"], row["group"],
              row["sample_id"][::-1], row["layer"])) for name, rows in forms.items()}  # fmt: skip
    after = aligned(tmp_path / "2", turned, FEW)
    key = dict(layer=2, group_a="special", group_b="image", variant="clean")
    assert only(after, **key)[0]["cka"] == pytest.approx(only(before, **key)[0]["cka"])
    fewer = {**forms, "same_content_image": [row for row in forms["same_content_image"] if row["sample_id"] > "s03"]}
    assert {row["num_pairs"] for row in aligned(tmp_path / "3", fewer, FEW)} == {NUM_SAMPLES - 4}


def test_means_over_the_tokens_of_a_group(tmp_path: Path) -> None:
    """Two tokens of a sample, moved apart by as much, have the mean that the one had."""
    forms = two_forms()
    moved = [
        {**row, "position": at, "state": (np.array(row["state"]) + side).tolist()}
        for row in forms["same_content_image"]
        for at, side in (((3, 0.0),) if row["group"] == "last" else ((3, 0.5), (4, -0.5)))
    ]
    order = [f"{row['variant']} {row['group']} {row['sample_id']} {row['position']}" for row in moved]
    moved = [row for _, row in sorted(zip(order, moved, strict=True), key=lambda each: (each[0], each[1]["layer"]))]
    rows, same = (aligned(tmp_path / name, {**forms, "same_content_image": of}, FEW)
                  for name, of in (("1", moved), ("2", forms["same_content_image"])))  # fmt: skip
    key = dict(layer=2, group_a="text", group_b="image", variant="clean")
    assert only(rows, **key)[0]["cka"] == pytest.approx(only(same, **key)[0]["cka"], abs=1e-5)


def test_equal_ids_are_no_content(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two tables of one's own that are numbered alike are not paired, whether their clusters agree or not."""
    forms = two_forms()
    silent = [{**row, "meta": "{}"} for row in samples_of("image", 4, NUM_SAMPLES)]
    assert not aligned(tmp_path / "1", forms, FEW, samples={"same_content_image": silent})
    said = capsys.readouterr().out
    assert "same_content_image: its samples do not say `form` and `item` in meta" in said
    assert "show the same items in two forms: nothing is aligned" in said
    torn = [{**row, "cluster_id": "w9"} for row in forms["same_content_image"]]
    assert not aligned(tmp_path / "2", {**forms, "same_content_image": torn}, FEW,
                       samples={"same_content_image": silent})  # fmt: skip
    other = [{**row, "meta": row["meta"].replace("item ", "no ")} for row in samples_of("image", 4, NUM_SAMPLES)]
    assert not aligned(tmp_path / "3", forms, FEW, samples={"same_content_image": other})
    assert not aligned(tmp_path / "4", forms, FEW, samples={"same_content_image": samples_of("text", 4, NUM_SAMPLES)})


def test_items_pair_samples_of_other_ids(tmp_path: Path) -> None:
    forms = two_forms()
    renamed = [{**row, "sample_id": f"t{99 - int(row['sample_id'][1:])}"} for row in forms["same_content_image"]]
    named = [{**row, "sample_id": f"t{99 - int(row['sample_id'][1:])}"} for row in samples_of("image", 4, NUM_SAMPLES)]
    key = dict(layer=2, group_a="special", group_b="image", variant="clean")
    before = only(aligned(tmp_path / "1", forms, FEW), **key)
    after = aligned(tmp_path / "2", {**forms, "same_content_image": renamed}, FEW,
                    samples={"same_content_image": named})  # fmt: skip
    assert only(after, **key) == before


def test_too_few_contents_two_clusters_and_items_said_twice_are_refused(tmp_path: Path) -> None:
    forms = two_forms()
    few = [row for row in forms["same_content_image"] if row["sample_id"] < "s10"]
    with pytest.raises(UserError, match="5 contents in both; expected at least 6"):
        aligned(tmp_path, {**forms, "same_content_image": few}, FEW)
    torn = [{**row, "cluster_id": "w9"} for row in forms["same_content_image"]]
    with pytest.raises(UserError, match="item 'item 0' is in cluster w0 of same_content_text and w9 of"):
        aligned(tmp_path, {**forms, "same_content_image": torn}, FEW)
    twice = [{**row, "meta": row["meta"].replace('item 1"', 'item 0"')} for row in samples_of("image", 4, NUM_SAMPLES)]
    with pytest.raises(UserError, match="samples s00 and s01 both say the item 'item 0'"):
        aligned(tmp_path, forms, FEW, samples={"same_content_image": twice})
    mixed = [*samples_of("image", 4, 1), *samples_of("text", 4, NUM_SAMPLES)[1:]]
    with pytest.raises(UserError, match="samples of the forms image, text; expected one form"):
        aligned(tmp_path, forms, FEW, samples={"same_content_image": mixed})


def test_where_all_templates_differ_nothing_is_told(tmp_path: Path) -> None:
    """A content that has templates of its own cannot be told from these."""
    row = only(aligned(tmp_path, two_forms(), FEW, templates=NUM_SAMPLES), layer=2, group_a="last", variant="clean")[0]
    assert (row["num_pairs"], row["num_contents"], row["num_templates"]) == (NUM_SAMPLES, 0, NUM_SAMPLES)
    assert [row[name] for name in ("cka", "p_value", "retrieval", "retrieval_p", "chance")] == [None] * 5


def test_repeated_contents_of_unrelated_codes_hold_their_level(tmp_path: Path) -> None:
    """Of forms with a code of their own for each word, and templates alike, 5 % have p <= 0.05, but for chance."""
    p_values: dict[str, list[float]] = {"p_value": [], "retrieval_p": []}
    for seed in range(10):
        rng = np.random.default_rng(seed)
        template = rng.normal(size=(4, WIDTH))[np.arange(NUM_SAMPLES) % 4]
        words = 2 * rng.normal(size=(2, NUM_SAMPLES // 2, WIDTH))[:, np.arange(NUM_SAMPLES) // 2]
        forms = {
            f"same_content_{form}": form_rows(group, template + words[at], {"clean": 1.0}, 50 * seed + at)
            for at, (form, group) in enumerate((("text", "special"), ("image", "image")))
        }
        rows = only(aligned(tmp_path / str(seed), forms, FEW), layer=2)
        for name, found in p_values.items():
            found += [row[name] for row in rows]
    assert len(p_values["p_value"]) == 50
    assert max(np.mean(np.array(of) <= 0.05) for of in p_values.values()) <= 0.15
