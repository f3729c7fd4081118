"""What a study is to the engine: a card for every step, its config, and where its code lies."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

#: How much a job needs: seconds and little memory, a machine of its own for a while, or a GPU.
Resources = Literal["light", "heavy", "gpu"]
#: Modules of the engine by which no result is made: they decide what is recorded, or say what is wrong.
ENGINE = ("lode.engine",)
#: Those by which every table is made.
MAKERS = ("lode.engine.fields", "lode.engine.paths", "lode.engine.seal", "lode.engine.tables")


@dataclass(frozen=True)
class Read:
    """A table that a step reads: of every job that writes it and has the wildcards of the reading job.

    Attributes:
        table: its name on the card of the step that writes it.
        when: whether a job of this config reads it; None: each does.
        among: relations of the study that the writing job must be in.
        under: where a wildcard has another name there: that name, by the one here.
    """

    table: str
    when: Callable[[Any], bool] | None = None
    among: tuple[str, ...] = ()
    under: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Card:
    """A step: its rule, its script, its stage module and the folder of its results have its name.

    Attributes:
        name: of all of them.
        does: in a line.
        over: relations of the study whose rows, joined, are its jobs; None: only jobs that are asked for.
        sections: of the config, that it may read; all else raises.
        reads: tables, in the order in which they are handed over.
        writes: sealed files by name: path below the folder of the step, with wildcards in braces.
        beside: files without a seal of their own, which a sealed one vouches for.
        folders: folders that it fills.
        place: the folder of its results; empty: the top of them.
        resources: what a job needs.
        plugins: modules that it imports by name, from its config.
        files: others than Python that its results depend on, from the root of the project.
        sources: files and folders that it reads and no step makes, by name, from its config.
        vouches: digests of files that a sealed JSON file vouches for, by path, from what it holds.
    """

    name: str
    does: str
    over: tuple[str, ...] | None = ()
    sections: tuple[str, ...] = ()
    reads: tuple[Read, ...] = ()
    writes: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, str] = field(default_factory=dict)
    place: str | None = None
    resources: Resources = "light"
    plugins: Callable[[Any], Iterable[str]] | None = None
    files: tuple[str, ...] = ()
    sources: Callable[[Any], Mapping[str, Path]] | None = None
    vouches: Callable[[Mapping[str, Any]], Mapping[str, str]] | None = None

    @property
    def makes(self) -> dict[str, str]:
        """Everything that it writes, by name: path below the results of an experiment."""
        place = self.name if self.place is None else self.place
        files = {**self.writes, **self.beside, **self.folders}
        return {name: f"{place}/{pattern}".lstrip("/") for name, pattern in files.items()}

    @property
    def wildcards(self) -> tuple[str, ...]:
        """Those of its jobs, in the order of its paths."""
        return wildcards_of(next(iter(self.makes.values())))

    @property
    def handed(self) -> dict[str, bool]:
        """What a job is handed as `io.<name>`, and whether every job is."""
        return {**{read.table: read.when is None for read in self.reads}, **dict.fromkeys(self.makes, True)}


def wildcards_of(pattern: str) -> tuple[str, ...]:
    """The names in braces of a path, each once."""
    return tuple(dict.fromkeys(re.findall(r"{(\w+)}", pattern)))


@dataclass(frozen=True, eq=False)
class Study:
    """The cards of a study and what they refer to.

    Attributes:
        cards: in an order in which every step comes after those that it reads.
        config: the dataclass of the whole config.
        config_dir: the Hydra tree.
        groups: of the tree, among them `experiment`.
        scripts: the folder of the scripts.
        check: refuses a config that a step cannot work with.
        weight: megabytes that a job of a card and a config loads into memory.
        packages: top names of the modules whose code is digested.
        undigested: modules, and packages, by which no result is made.
        always: sections that every step may depend on, as they say what names stand for.
        numbers: wildcards that no section holds; a job is handed them.
        columns: what a wildcard is called as a column of tables, where it has another name there.
        unrecorded: sections that change no result.
        made_for: the step that the names of a section are made for.
        lists: where an experiment lists the names of a group.
        places: keys of the config of which one value for several names would make these the same.
    """

    cards: tuple[Card, ...]
    config: type
    config_dir: Path
    groups: tuple[str, ...]
    scripts: Path
    check: Callable[[Any, str], None]
    weight: Callable[[Card, Any], int]
    packages: tuple[str, ...] = ("lode",)
    undigested: tuple[str, ...] = ()
    always: tuple[str, ...] = ("experiment",)
    numbers: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    unrecorded: tuple[str, ...] = ()
    made_for: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, str] = field(default_factory=dict)
    places: tuple[str, ...] = ()

    @cached_property
    def steps(self) -> dict[str, Card]:
        """The cards by name."""
        return {card.name: card for card in self.cards}

    @cached_property
    def writers(self) -> dict[str, Card]:
        """The card that makes a file, by the file's name."""
        return {name: card for card in self.cards for name in card.makes}

    def pattern(self, name: str) -> str:
        """The path of a file below the results of an experiment, with wildcards in braces."""
        return self.writers[name].makes[name]

    def column_names(self, pattern: str) -> str:
        """A path whose wildcards have the names of the columns that say the same."""
        return re.sub(r"{(\w+)}", lambda found: f"{{{self.columns.get(found[1], found[1])}}}", pattern)

    def makes_results(self, module: str) -> bool:
        """Whether a module is among those whose code is digested."""
        left_out = (*ENGINE, *self.undigested)
        return module in MAKERS or not any(f"{module}.".startswith(f"{name}.") for name in left_out)
