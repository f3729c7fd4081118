"""The engine on an invented study of bakers and loaves: it plans whatever cards say, and no card of ours is needed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from omegaconf import MISSING

from lode.engine.compose import compose, restrict
from lode.engine.content import content_of
from lode.engine.errors import UserError
from lode.engine.plan import Experiment, Plan, Row
from lode.engine.recorded import recorded, touching
from lode.engine.study import Card, Read, Study


@dataclass
class Oven:
    """How it bakes."""

    name: str = MISSING
    heat: int = 200


@dataclass
class Flour:
    """What it bakes."""

    name: str = MISSING
    file: str = ""
    salted: bool = False


@dataclass
class Config:
    """The bakery."""

    seed: int = 1
    oven: Oven = field(default_factory=Oven)
    flour: Flour = field(default_factory=Flour)
    io: dict[str, Any] = field(default_factory=dict)
    threads: int = 1


CARDS = (
    Card(
        "mill",
        "grind",
        over=("flours",),
        sections=("flour",),
        writes={"meal": "{flour}.parquet"},
        sources=lambda cfg: {"file": Path(cfg.flour.file)} if cfg.flour.file else {},
    ),
    Card(
        "bake",
        "bake a batch",
        over=("ovens", "fits", "batches"),
        sections=("seed", "oven.heat", "flour.name"),
        reads=(Read("meal"),),
        writes={"loaves": "loaves/{oven}/{flour}/{batch}.parquet", "waste": "waste/{oven}/{flour}/{batch}.parquet"},
        resources="heavy",
    ),
    Card(
        "taste",
        "taste what an oven baked, and the salt where there is any",
        over=("ovens",),
        sections=("oven",),
        reads=(Read("loaves"), Read("meal", when=lambda cfg: cfg.oven.heat > 250)),
        writes={"marks": "{oven}.parquet"},
        beside={"words": "{oven}.md"},
    ),
    Card(
        "sell",
        "one page",
        reads=(Read("marks"), Read("loaves", among=("best",))),
        writes={"page": "page.html"},
        place="",
    ),
)


def checked(cfg: Any, step: str) -> None:
    """Nothing is refused."""


@pytest.fixture
def study(tmp_path: Path) -> Study:
    for name, text in {
        "config.yaml": "defaults: [typed_config, oven: stone, flour: rye, _self_]\n",
        "oven/stone.yaml": "name: stone\n",
        "oven/steel.yaml": "name: steel\nheat: 260\n",
        "flour/rye.yaml": "name: rye\n",
        "flour/wheat.yaml": "name: wheat\n",
        "bake.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return Study(
        cards=CARDS,
        config=Config,
        config_dir=tmp_path,
        groups=("oven", "flour"),
        scripts=tmp_path,
        check=checked,
        weight=lambda card, cfg: 100 if cfg.oven.name == "steel" else 0,
        packages=("bakery",),
        numbers=("batch",),
        unrecorded=("threads",),
        made_for={"flour": "mill"},
    )


class Bakery(Experiment):
    """Two ovens; steel takes no rye."""

    name, overrides, user, root = "bakery", (), (), "results/bakery"

    @property
    def relations(self) -> Mapping[str, list[Row]]:
        fits = [("stone", "rye"), ("stone", "wheat"), ("steel", "wheat")]
        return {
            "ovens": [{"oven": "stone"}, {"oven": "steel"}],
            "flours": [{"flour": "rye"}, {"flour": "wheat"}],
            "fits": [{"oven": oven, "flour": flour} for oven, flour in fits],
            "batches": [{"batch": "0"}, {"batch": "1"}],
            "best": [{"oven": "steel"}],
        }

    def choices(self, wildcards: Row) -> tuple[str, ...]:
        return tuple(f"{key}={value}" for key, value in wildcards.items() if key != "batch")

    def derived(self, step: str, wildcards: Row) -> tuple[str, ...]:
        return ("seed=2",) if wildcards.get("oven") == "steel" else ()


@pytest.fixture
def plan(study: Study) -> Plan:
    return Plan(study, Bakery())


STEEL = {"oven": "steel", "flour": "wheat", "batch": "1"}


def test_jobs_are_relations_joined(plan: Plan) -> None:
    assert list(plan.jobs("bake")) == [
        ("stone", "rye", "0"), ("stone", "rye", "1"), ("stone", "wheat", "0"), ("stone", "wheat", "1"),
        ("steel", "wheat", "0"), ("steel", "wheat", "1"),
    ]  # fmt: skip
    assert list(plan.jobs("sell")) == [()]
    assert plan.files("waste")[-1] == "results/bakery/bake/waste/steel/wheat/1.parquet"


def test_a_table_is_read_of_the_jobs_that_agree(plan: Plan) -> None:
    assert plan.reads("bake", STEEL) == {"meal": "results/bakery/mill/wheat.parquet"}
    assert plan.reads("taste", {"oven": "stone"}) == {
        "loaves": [f"results/bakery/bake/loaves/stone/{of}.parquet" for of in ("rye/0", "rye/1", "wheat/0", "wheat/1")]
    }
    assert plan.reads("taste", {"oven": "steel"})["meal"] == [
        f"results/bakery/mill/{f}.parquet" for f in ("rye", "wheat")
    ]
    assert plan.reads("sell", {}) == {
        "marks": [f"results/bakery/taste/{oven}.parquet" for oven in ("stone", "steel")],
        "loaves": [f"results/bakery/bake/loaves/steel/wheat/{batch}.parquet" for batch in "01"],
    }


def test_a_job_that_the_experiment_has_not_is_refused(plan: Plan) -> None:
    with pytest.raises(
        UserError, match="`bake` of oven steel, flour rye, batch 0: the experiment bakery has no such job"
    ):
        plan.reads("bake", {"oven": "steel", "flour": "rye", "batch": "0"})
    assert plan.reads("mill", {"flour": "oats"}) == {}, "it reads nothing, so it may be asked for"


def test_what_is_recorded_is_what_the_card_names(plan: Plan, study: Study, tmp_path: Path) -> None:
    assert json.loads(plan.semantic("bake", STEEL)) == {"seed": 2, "oven": {"heat": 260}, "flour": {"name": "wheat"}}
    assert touching(study, "mill", plan.overrides("mill", {"flour": "rye"})) == ("flour=rye",)
    (tmp_path / "grain").write_text("1")
    cfg = compose(study, [f"flour.file={tmp_path}/grain"])
    before = recorded(study, cfg, "mill")
    (tmp_path / "grain").write_text("2")
    assert recorded(study, cfg, "mill") != before


def test_a_step_sees_its_sections_and_its_files_alone(study: Study) -> None:
    cfg = restrict(study, compose(study, ["io.meal=a.parquet", "io.batch=1"]), "bake", ("io", "threads"))
    assert (cfg.io.meal, cfg.io.batch, cfg.threads) == ("a.parquet", 1, 1)
    with pytest.raises(Exception, match="name"):
        _ = cfg.oven.name
    with pytest.raises(UserError, match=r"unknown file of `taste` 'io\.meat'.*Did you mean io\.meal"):
        restrict(study, compose(study, ["io.meat=a"]), "taste", ("io",))
    assert restrict(study, compose(study), "taste", ("io",)).io.meal is None, "not every job reads it"


def test_a_job_is_handed_its_files_by_name(plan: Plan) -> None:
    params = plan.params("bake")
    args = params["args"](STEEL, plan.reads("bake", STEEL), {name: plan.path(name, STEEL) for name in CARDS[1].makes})
    assert args[:3] == ["oven=steel", "flour=wheat", "seed=2"]
    assert args[-4:] == [
        "io.meal=results/bakery/mill/wheat.parquet",
        "io.loaves=results/bakery/bake/loaves/steel/wheat/1.parquet",
        "io.waste=results/bakery/bake/waste/steel/wheat/1.parquet",
        "io.batch=1",
    ]
    handed = plan.handed("taste", {"oven": "stone"}, {"loaves": ["a", "b"], "marks": "m", "sources": ["s"]})
    assert handed == ["io.loaves=[a,b]", "io.marks=m"]


def test_memory_grows_with_what_is_loaded_and_with_the_attempt(plan: Plan) -> None:
    mem_mb = plan.resources("bake")["mem_mb"]
    stone, steel = ({**STEEL, "oven": oven} for oven in ("stone", "steel"))
    assert mem_mb(steel, 1) - mem_mb(stone, 1) == 200
    assert mem_mb(steel, 3) == 3 * mem_mb(steel, 1)
    assert plan.resources("taste")["mem_mb"](steel, 1) < mem_mb(stone, 1)


def test_what_something_was_made_from_is_missing(plan: Plan) -> None:
    planned = list(plan.products())
    made = [product for product in planned if product.name == "marks" and product.wildcards["oven"] == "stone"]
    absent = [product for product in planned if product not in made]
    gone = {(product.name, *product.wildcards.values()) for product in plan.missing(absent, made)}
    baked = {(of, "stone", flour, batch) for of in ("loaves", "waste") for flour in ("rye", "wheat") for batch in "01"}
    assert gone == {("meal", "rye"), ("meal", "wheat"), *baked}, "what one job makes, it makes together"


def test_two_names_for_one_thing_have_one_content(study: Study) -> None:
    rye, other, wheat = (compose(study, [f"flour.name={name}", f"flour.salted={salted}"])
                         for name, salted in (("rye", False), ("other", False), ("wheat", True)))  # fmt: skip
    assert content_of(study, rye, "flour") == content_of(study, other, "flour") != content_of(study, wheat, "flour")


def test_the_rules_match_what_the_cards_write(plan: Plan) -> None:
    assert plan.pattern("waste") == "<results>/bake/waste/{oven}/{flour}/{batch}.parquet"
    assert plan.pattern("page") == "<results>/page.html"
    assert plan.constraints["batch"] == r"\d+"
    assert set(plan.constraints) == {"oven", "flour", "batch"}
