"""The private calls of Hydra and OmegaConf are there, in the versions that were tried, and do what the engine needs."""

from importlib.metadata import version

import pytest
from omegaconf import OmegaConf

from lode.engine import hydra_private
from lode.engine.hydra_private import copy_with, nodes, parse, put, value_of


@pytest.mark.parametrize("package", hydra_private.TRIED)
def test_the_version_is_one_that_was_tried(package: str) -> None:
    tried = hydra_private.TRIED[package]
    assert version(package).startswith(f"{tried}."), f"{package}: try lode/engine/hydra_private.py, then change TRIED"


def test_overrides_are_parsed() -> None:
    value, choice, sweep = parse(["++a.b=[1,2]", "group=name", "a=1,2"])
    assert (value.key_or_group, value.input_line) == ("a.b", "++a.b=[1,2]")
    assert (choice.key_or_group, choice.package) == ("group", None)
    assert [sweep.is_sweep_override(), value.is_sweep_override()] == [True, False]


@pytest.mark.parametrize(
    ("text", "value"), [("a b", "a b"), ("12", 12), ("1e3", 1000.0), ("true", True), ("null", None), ("'12'", "12")]
)
def test_what_hydra_reads(text: str, value: object) -> None:
    assert value_of(text) == value


def test_values_are_put_on_top() -> None:
    cfg = OmegaConf.create({"a": {"b": 1}, "c": "${a.b}"})
    OmegaConf.set_struct(cfg, True)
    put(parse(["a.b=5", "+a.d={x: [1, y]}"]), cfg)
    assert OmegaConf.to_container(cfg, resolve=True) == {"a": {"b": 5, "d": {"x": [1, "y"]}}, "c": 5}


def test_nodes_keep_their_interpolations() -> None:
    found = nodes(OmegaConf.create({"a": 1, "b": {"c": "${a}"}}))
    assert set(found) == {"a", "b"}
    assert "${a}" in str(found["b"])


def test_a_copy_shares_what_it_is_told_to() -> None:
    cfg = OmegaConf.create({"a": {"b": 1}, "c": {"d": 2}})
    copy = copy_with(cfg, {"a"})
    assert copy == cfg
    assert copy.a is cfg.a
    assert copy.c is not cfg.c


def test_a_copy_takes_a_section_of_another_config() -> None:
    cfg = OmegaConf.create({"a": {"b": 1}, "c": {"d": "${a.b}"}})
    other = OmegaConf.create({"a": {"b": 5}})
    copy = copy_with(cfg, (), {"a": other.a})
    assert OmegaConf.to_container(copy, resolve=True) == {"a": {"b": 5}, "c": {"d": 5}}
    assert OmegaConf.to_container(cfg, resolve=True) == {"a": {"b": 1}, "c": {"d": 1}}


def test_a_section_that_is_taken_goes_on_resolving_in_its_own_config() -> None:
    """Taken by two configs after each other, with an interpolation into another section."""
    own = OmegaConf.create({"a": {"b": "${c.d}"}, "c": {"d": 0}})
    first, second = (copy_with(OmegaConf.create({"a": {}, "c": {"d": d}}), (), {"a": own.a}) for d in (1, 2))
    assert [cfg.a.b for cfg in (first, second, own)] == [1, 2, 0]
