"""Every job of an experiment: its files, what it reads, what is recorded of it, and the params of the rules.

Known from the cards and the experiment's lists alone, so without Snakemake too. A job is a row of wildcards; the jobs
of a step are the rows of its card's relations, joined. A table is read of all jobs that write it and agree in the
wildcards that both have.
"""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from lode.engine.compose import FILES
from lode.engine.errors import UserError
from lode.engine.fingerprint import digest
from lode.engine.names import NAME, check_path
from lode.engine.paths import ROOT
from lode.engine.recorded import code_of, composed, semantic_of, sources, touching, with_sources
from lode.engine.study import Card, Read, Study, wildcards_of

Row = Mapping[str, str]
Paths = dict[str, str | list[str]]
#: Of a job of each class, at the first attempt: megabytes beside what it loads, and minutes.
MEMORY = {"light": 2000, "heavy": 8000, "gpu": 4000}
RUNTIME = {"light": 60, "heavy": 240, "gpu": 240}
#: Weights in half precision may be loaded in single.
LOADED = 2


class Experiment(ABC):
    """What the engine asks of an experiment.

    Attributes:
        name: as the user calls it.
        overrides: those of the user.
        user: the overrides of every job: the choice of the experiment, and those of the user.
        root: the folder of its results.
    """

    name: str
    overrides: tuple[str, ...]
    user: tuple[str, ...]
    root: str

    @property
    @abstractmethod
    def relations(self) -> Mapping[str, Sequence[Row]]:
        """What its lists stand for, as rows of wildcards."""

    @abstractmethod
    def choices(self, wildcards: Row) -> tuple[str, ...]:
        """The overrides that wildcards stand for."""

    @abstractmethod
    def derived(self, step: str, wildcards: Row) -> tuple[str, ...]:
        """The overrides by which a step knows what its job alone needs of the experiment's lists."""


@dataclass(frozen=True)
class Product:
    """A sealed file that a job makes."""

    path: str
    name: str
    card: Card
    wildcards: Row


class Plan:
    """The jobs of an experiment.

    Args:
        study: its cards.
        experiment: its lists.
    """

    def __init__(self, study: Study, experiment: Experiment) -> None:
        self.study, self.experiment, self.root = study, experiment, experiment.root
        self._jobs: dict[str, dict[tuple[str, ...], Row]] = {}
        self._overrides: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {}
        self._recorded: dict[tuple[str, tuple[str, ...]], str] = {}
        self._found: dict[tuple[str, str], tuple[tuple[str, ...], dict[tuple[str, ...], list[str]]]] = {}

    # --- jobs and files -----------------------------------------------------------------------------------------------

    def jobs(self, step: str) -> dict[tuple[str, ...], Row]:
        """The jobs of a step, by the values of its wildcards, in order."""
        if step not in self._jobs:
            card = self.study.steps[step]
            rows = self.joined(card.over) if card.over is not None else []
            self._jobs[step] = {tuple(row[key] for key in card.wildcards): row for row in rows}
        return self._jobs[step]

    def joined(self, names: Iterable[str], rows: Sequence[Row] = ({},)) -> list[Row]:
        """The natural join of relations: rows of the first in order, each with all that agree with it of the next."""
        for name in names:
            rows = joined(rows, self.experiment.relations[name])
        return list(rows)

    def job(self, step: str, wildcards: Row) -> Row:
        """The job of some wildcards, with what its relations know of it; one that needs no table may be any.

        Raises:
            UserError: the experiment has no such job.
        """
        card = self.study.steps[step]
        row = self.jobs(step).get(tuple(wildcards[key] for key in card.wildcards))
        if row is None and any(read.when is None for read in card.reads):
            named = ", ".join(f"{key} {wildcards[key]}" for key in card.wildcards)
            raise UserError(f"`{step}` of {named}: the experiment {self.experiment.name} has no such job")
        return dict(wildcards) if row is None else row

    def path(self, name: str, wildcards: Row) -> str:
        """Where a file of a job lies."""
        return f"{self.root}/{self.study.pattern(name).format(**wildcards)}"

    def files(self, name: str) -> list[str]:
        """All files of a name that the experiment makes."""
        return [self.path(name, row) for row in self.jobs(self.study.writers[name].name).values()]

    def products(self) -> Iterator[Product]:
        """Every sealed file that the experiment makes, in the order of the steps."""
        for card in self.study.cards:
            for name in card.writes:
                for row in self.jobs(card.name).values():
                    wildcards = {key: row[key] for key in card.wildcards}
                    yield Product(self.path(name, row), name, card, wildcards)

    # --- what a job reads ---------------------------------------------------------------------------------------------

    def reads(self, step: str, wildcards: Row) -> Paths:
        """The tables that a job reads, by name: one path where its wildcards say which, a list where several do."""
        job = self.job(step, wildcards)
        return {
            read.table: self._read(step, read, job)
            for read in self.study.steps[step].reads
            if read.when is None or read.when(self.composed(step, wildcards))
        }

    def _read(self, step: str, read: Read, job: Row) -> str | list[str]:
        theirs = {read.under.get(key, key): value for key, value in job.items()}
        if (step, read.table) not in self._found:
            self._found[step, read.table] = self._index(read, set(theirs))
        common, paths_by = self._found[step, read.table]
        paths = paths_by.get(tuple(theirs[key] for key in common), [])
        if not set(wildcards_of(self.study.pattern(read.table))) <= set(theirs):
            return paths
        if len(paths) != 1:
            raise UserError(f"`{step}` reads {read.table}, which no job of {self.experiment.name} makes for it")
        return paths[0]

    def _index(self, read: Read, keys: set[str]) -> tuple[tuple[str, ...], dict[tuple[str, ...], list[str]]]:
        """The files of a table by the values of the wildcards that their jobs have in common with some others."""
        rows = self.joined(read.among, list(self.jobs(self.study.writers[read.table].name).values()))
        common = tuple(key for key in (rows[0] if rows else ()) if key in keys)
        found: dict[tuple[str, ...], dict[str, None]] = defaultdict(dict)
        for row in rows:
            found[tuple(row[key] for key in common)][self.path(read.table, row)] = None
        return common, {values: list(paths) for values, paths in found.items()}

    def sources(self, step: str, wildcards: Row) -> list[str]:
        """The files at hand that a job reads and no step makes; their content is recorded, their time is not."""
        find = self.study.steps[step].sources
        found = find(self.composed(step, wildcards)).values() if find else ()
        named = " ".join(wildcards.values())
        return [check_path(f"{named} of `{step}`", in_project(path)) for path in found]

    def missing(self, absent: Iterable[Product], made: Iterable[Product]) -> list[Product]:
        """Of the files that are not there, those whose job made something that a file was made from, down the line."""
        absent, gone = list(absent), set[str]()
        jobs = {path: (card.name, row) for card in self.study.cards for path, row in self._made_by(card)}
        lost: dict[tuple[str, str], set[str]] = defaultdict(set)
        for product in absent:
            lost[product.card.name, repr(jobs[product.path][1])].add(product.path)
        pending = [product.path for product in made]
        while pending:
            for paths in self.reads(*jobs[pending.pop()]).values():
                for path in [paths] if isinstance(paths, str) else paths:
                    step, row = jobs[path]
                    new = lost[step, repr(row)] - gone
                    gone |= new
                    pending += new
        return [product for product in absent if product.path in gone]

    def _made_by(self, card: Card) -> Iterator[tuple[str, Row]]:
        """Every file of a step with the row of the job that makes it."""
        return ((self.path(name, row), row) for row in self.jobs(card.name).values() for name in card.makes)

    # --- what is recorded of a job ------------------------------------------------------------------------------------

    def overrides(self, step: str, wildcards: Row) -> tuple[str, ...]:
        """All overrides of a job."""
        key = (step, tuple(wildcards.values()))
        if key not in self._overrides:
            of_job = (*self.experiment.choices(wildcards), *self.experiment.derived(step, wildcards))
            self._overrides[key] = (*self.experiment.user, *of_job)
        return self._overrides[key]

    def touching(self, step: str, wildcards: Row) -> tuple[str, ...]:
        """Those that can change what is recorded of the job."""
        return touching(self.study, step, self.overrides(step, wildcards))

    def composed(self, step: str, wildcards: Row) -> DictConfig:
        """The config of a job as far as it is recorded."""
        return composed(self.study, self.touching(step, wildcards))

    def semantic(self, step: str, wildcards: Row) -> str:
        """What is recorded of a job's config and sources."""
        overrides = self.touching(step, wildcards)
        if (step, overrides) not in self._recorded:
            found = sources(self.study, composed(self.study, overrides), step)
            self._recorded[step, overrides] = with_sources(semantic_of(self.study, step, overrides), found)
        return self._recorded[step, overrides]

    def code(self, step: str, wildcards: Row) -> str:
        """The digest of a job's code."""
        return code_of(self.study, step, self.touching(step, wildcards))

    # --- rules --------------------------------------------------------------------------------------------------------

    @property
    def constraints(self) -> dict[str, str]:
        """What the wildcards of the rules match."""
        keys = dict.fromkeys(key for card in self.study.cards for key in card.wildcards)
        return {key: r"\d+" if key in self.study.numbers else NAME for key in keys}

    def pattern(self, name: str) -> str:
        """The output of a rule."""
        return f"<results>/{self.study.pattern(name)}"

    def inputs(self, step: str) -> Callable[[Any], Paths]:
        """The input of a rule, by wildcards; to be unpacked."""
        return lambda wildcards: self.reads(step, dict(wildcards))

    def given(self, step: str) -> Callable[[Any], list[str]]:
        """The input of a rule that no rule makes, by wildcards; its time is not to be looked at: `ancient`."""
        return lambda wildcards: self.sources(step, dict(wildcards))

    def params(self, step: str) -> dict[str, Callable[..., Any]]:
        """The params of a rule.

        `semantic` and `code` decide reruns. `script` and `args` name `output`, which Snakemake takes to mean: derived,
        not recorded.
        """

        def semantic(wildcards: Any) -> str:
            return self.semantic(step, dict(wildcards))

        def code(wildcards: Any) -> str:
            return self.code(step, dict(wildcards))

        def args(wildcards: Any, input: Any, output: Any) -> list[str]:
            own = dict(wildcards)
            identity = [f"expect_digest={digest(semantic(own))}", f"code_digest={code(own)}"]
            return [*self.overrides(step, own), *identity, *self.handed(step, own, {**dict(input), **dict(output)})]

        def script(wildcards: Any, output: Any) -> str:
            return in_project(self.study.scripts / f"{step}.py")

        return {"semantic": semantic, "code": code, "script": script, "args": args}

    def handed(self, step: str, wildcards: Row, files: Mapping[str, Any]) -> list[str]:
        """The overrides that hand a job its files, by their names, and its numbers."""
        named = {name: files[name] for name in self.study.steps[step].handed if name in files}
        written = {name: v if isinstance(v, str) else f"[{','.join(v)}]" for name, v in named.items()}
        numbers = {key: value for key, value in wildcards.items() if key in self.study.numbers}
        return [f"{FILES}.{name}={value}" for name, value in {**written, **numbers}.items()]

    def resources(self, step: str) -> dict[str, Any]:
        """The resources of a rule: those of its class, with what its job loads; more at each attempt."""
        card = self.study.steps[step]
        kind = card.resources

        def mem_mb(wildcards: Any, attempt: int) -> int:
            loaded = 0 if kind == "light" else self.study.weight(card, self.composed(step, dict(wildcards)))
            return (MEMORY[kind] + LOADED * loaded) * attempt

        def runtime(wildcards: Any, attempt: int) -> int:
            return RUNTIME[kind] * attempt

        return {"mem_mb": mem_mb, "runtime": runtime, **({"gpu": 1} if kind == "gpu" else {})}


def joined(rows: Sequence[Row], others: Sequence[Row]) -> list[Row]:
    """The natural join of two relations, in the order of the first, then the second; rows of one have the same keys."""
    common = tuple(key for key in (others[0] if others else ()) if key in (rows[0] if rows else ()))
    by_values: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for other in others:
        by_values[tuple(other[key] for key in common)].append(other)
    return [{**row, **other} for row in rows for other in by_values[tuple(row[key] for key in common)]]


def in_project(path: Path) -> str:
    """A path relative to the project where it lies inside, so that a moved tree stays up to date."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)
