"""Stage 1b: turn a dataset plug-in into one table, every record checked before any model is loaded."""

import inspect
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from hashlib import sha256
from importlib import import_module
from itertools import chain
from typing import Any

from omegaconf import OmegaConf

from lode.config import DatasetSection, StepConfig
from lode.dataset import Sample, spoken_options
from lode.engine.errors import UserError
from lode.engine.tables import write_rows
from lode.media import DECODERS, Medium, Sampling, decode, shown_digest
from lode.model.tokens import MEDIA
from lode.scoring._choices import NO_CHOICE, last_named
from lode.scoring._diagnostics import canonical
from lode.table.dataset import DATASET

#: Samples that are in memory at a time.
GROUP_SIZE = 16


def row(sample: Sample) -> dict[str, Any]:
    """A sample as a row of the dataset table."""
    return {**asdict(sample), "meta": json.dumps(sample.meta, sort_keys=True)}


def check_medium(sample_id: str, medium: Medium) -> str:
    """Raise `UserError` naming the sample when a medium is of no known kind or does not decode.

    Returns:
        The digest of what it shows.
    """
    if medium.kind not in DECODERS:
        raise UserError(f"sample {sample_id}: medium {medium.kind!r}; expected one of {', '.join(DECODERS)}")
    return shown_digest(decode(sample_id, medium, Sampling()))


def check_sample(sample: Sample, promised: set[str]) -> list[tuple[str, str]]:
    """Refuse a record that a later stage could not use; `promised` are the media of the dataset's `modalities`.

    Returns:
        What it shows: kind and digest of every medium; without one, its prompt, whose blanks do not count.
    """
    name = f"sample {sample.sample_id}"
    if not sample.prompt.strip() or not sample.answers or not sample.answers[0].strip():
        raise UserError(
            f"{name}: prompt {sample.prompt!r}, answers {list(sample.answers)}; expected a prompt and an answer or "
            "more, the first with a text"
        )
    check_choice(sample)
    kinds = {medium.kind for medium in sample.media}
    if kinds != promised:
        raise UserError(
            f"{name}: holds {', '.join(sorted(kinds)) or 'no medium'}, but the dataset's `modalities` say "
            f"{', '.join(sorted(promised)) or 'none'}; fix the YAML or the data"
        )
    shown = [(medium.kind, check_medium(sample.sample_id, medium)) for medium in sample.media]
    return shown or [("prompt", sha256(" ".join(sample.prompt.split()).encode()).hexdigest())]


def check_choice(sample: Sample) -> None:
    """Refuse an `answer_index` that is no choice, and answers that do not say that choice, or say another too."""
    name, index = f"sample {sample.sample_id}", sample.answer_index
    if not (index == -1 if not sample.choices else 0 <= index < len(sample.choices)):
        raise UserError(
            f"{name}: answer_index {index} of {len(sample.choices)} choices; expected the index of a "
            "choice, or -1 where there are none"
        )
    options = [canonical(option) for option in spoken_options(sample.choices, sample.meta)]
    said = {canonical(answer) for answer in sample.answers} & set(options)
    if options and not said and (place := last_named(sample.answers[0], options)) != NO_CHOICE:
        said = {options[place]}  # an answer that thinks first names its choice last
    if options and said != {options[index]}:
        raise UserError(
            f"{name}: answers {list(sample.answers)}, but answer_index {index} (from 0) of {list(sample.choices)} is "
            f"{sample.choices[index]!r}; expected answers with its text and no other choice's, or in the whole dataset "
            "its letter. Correct one of them"
        )


class HeldOut:
    """What each split holds, to refuse what is in two of them.

    Args:
        clusters: clusters may not be in two splits either.
    """

    def __init__(self, clusters: bool) -> None:
        self.clusters = clusters
        self.holder: dict[tuple[str, str], tuple[str, str]] = {}

    def add(self, sample: Sample, shown: Sequence[tuple[str, str]]) -> None:
        """Raise `UserError` naming two samples of different splits that show the same or share a cluster.

        Args:
            sample: of one split.
            shown: as `check_sample` gives it.
        """
        for what in (*shown, *([("cluster", sample.cluster_id)] if self.clusters else [])):
            sample_id, split = self.holder.setdefault(what, (sample.sample_id, sample.split))
            if split != sample.split:
                which = f"{what[0]} {what[1]!r}" if what[0] == "cluster" else what[0]
                raise UserError(
                    f"sample {sample.sample_id} of split {sample.split!r} has the {which} of sample {sample_id} of "
                    f"split {split!r}; expected splits that share none. Put both in one split or drop one; or set "
                    "split=paper, to mine and to test on the same samples"
                )


class Clusters:
    """Which cluster shows what: samples of one picture, sound, video, or prompt without any are not independent."""

    def __init__(self) -> None:
        self.showing: dict[tuple[str, str], tuple[str, str]] = {}

    def add(self, sample: Sample, shown: Sequence[tuple[str, str]]) -> None:
        """Raise `UserError` naming two samples that show the same and are said to have nothing in common.

        Args:
            sample: of one cluster.
            shown: as `check_sample` gives it.
        """
        for what in shown:
            sample_id, cluster = self.showing.setdefault(what, (sample.sample_id, sample.cluster_id))
            if cluster != sample.cluster_id:
                raise UserError(
                    f"sample {sample.sample_id} of cluster {sample.cluster_id!r} has the {what[0]} of sample "
                    f"{sample_id} of cluster {cluster!r}; expected one cluster for one {what[0]}, as intervals go by "
                    "clusters. Give both the same cluster_id, or drop one"
                )


def checked(samples: Iterable[Sample], modalities: Sequence[str], held_out: HeldOut | None = None) -> Iterator[Sample]:
    """Pass samples on, each one checked first.

    Args:
        samples: of both splits.
        modalities: what every sample holds.
        held_out: refuses what is in two splits; None: nothing is asked.

    Raises:
        UserError: repeated ids, an empty prompt, no answer, no such choice, a medium that does not decode, or one that
            the dataset's `modalities` promise and the sample lacks (or the reverse); or as `HeldOut.add` and
            `Clusters.add`.
    """
    promised, seen, clusters = set(modalities) & set(MEDIA), set[str](), Clusters()
    for sample in samples:
        if sample.sample_id in seen:
            raise UserError(f"sample {sample.sample_id}: the id occurs twice; ids must be unique in a dataset")
        seen.add(sample.sample_id)
        shown = check_sample(sample, promised)
        if held_out:
            held_out.add(sample, shown)
        clusters.add(sample, shown)
        yield sample


def check_samples(samples: Iterable[Sample], modalities: Sequence[str]) -> None:
    """Refuse samples that a later stage could not use; raises as `checked` does."""
    for _ in checked(samples, modalities):
        pass


def rows(dataset: DatasetSection, split_seed: int, split: str) -> Iterator[dict[str, Any]]:
    """The rows of the dataset table, one at a time: each split drawn, each sample checked.

    Args:
        dataset: the `dataset` section.
        split_seed: of the split and of the draw.
        split: `disjoint`: the splits share nothing; `paper`: one split is mined and tested, so nothing is asked.

    Raises:
        UserError: as `checked`; a split has no sample, or what is tested on lies in one cluster.
    """
    plugin = import_module(f"lode.dataset.{dataset.plugin}")
    drawn = chain.from_iterable(
        plugin.samples(part, count, split_seed, **dataset.options) for part, count in dataset.num_samples.items()
    )
    clusters: dict[str, set[str]] = {part: set() for part in dataset.num_samples}
    held_out = HeldOut(plugin.HELD_OUT == "clusters") if split == "disjoint" else None
    for sample in checked(drawn, dataset.modalities, held_out):
        clusters[sample.split].add(sample.cluster_id)
        yield row(sample)
    absent = [part for part, found in clusters.items() if not found]
    if absent:
        raise UserError(
            f"dataset {dataset.name}: no sample in split {min(absent)!r}; both `mine` and `test` are needed"
        )
    if len(clusters["test"]) < 2:
        raise UserError(
            f"dataset {dataset.name}: all samples of split 'test' are of cluster {min(clusters['test'])!r}; "
            "expected two clusters or more, as an interval needs variation. Add samples that have nothing in common"
        )


def description(dataset: DatasetSection, split: str) -> dict[str, Any]:
    """What the table records of its data: every option of the plug-in, the defaults too, and what is held out."""
    plugin = import_module(f"lode.dataset.{dataset.plugin}")
    options = list(inspect.signature(plugin.samples).parameters.values())[3:]
    given = dict(OmegaConf.to_container(dataset.options))  # type: ignore[arg-type]  # a section is a mapping
    return {
        "options": {o.name: o.default for o in options if o.default is not o.empty} | given,
        "held_out": plugin.HELD_OUT if split == "disjoint" else "none",
    }


def run(cfg: StepConfig, made_by: dict[str, Any]) -> None:
    """Draw both splits, check them, and write the dataset table, with `GROUP_SIZE` samples in memory at a time.

    Of an own file there is also one page: what its writer compressed together.
    """
    facts = {**made_by, "data": description(cfg.dataset, cfg.split)}
    write_rows(cfg.io["dataset"], DATASET, rows(cfg.dataset, cfg.split_seed, cfg.split), facts, GROUP_SIZE)
