"""Datasets of the Hugging Face hub, one record at a time: the one place that asks the hub for data.

A dataset is a hub id `owner/name`, or a folder with the same files (README.md too: it names the configs and splits).
Both go one way: records are streamed and media stay encoded, so memory does not grow with the dataset. Offline
(`HF_HUB_OFFLINE=1` or `HF_DATASETS_OFFLINE=1`) a copy in the hub's cache is read, at the revision asked for. No code
of a dataset is ever run.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lode.dataset._splits import Draw, drawn_ids
from lode.engine.errors import UserError
from lode.engine.paths import is_local, user_path
from lode.media import Medium

Record = Mapping[str, Any]
#: Where a file says what it is, and its media type.
_MAGIC = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG", "image/png"),
    (0, b"GIF8", "image/gif"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (8, b"WEBP", "image/webp"),
    (0, b"fLaC", "audio/flac"),
    (8, b"WAVE", "audio/wav"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (8, b"AVI ", "video/x-msvideo"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "video/x-matroska"),
)


@dataclass(frozen=True)
class Source:
    """One split of a dataset.

    Attributes:
        name: a hub id, or a folder, relative to the project or absolute.
        revision: commit, tag or branch of a hub dataset; None: the newest. A folder has none.
        split: name of the split; a dataset of which single files are fetched needs none.
        config: name of the configuration, where the dataset has several.
        kind: `dataset`, or `model` for a repository of a model, of which single files (a tokenizer) are fetched.
    """

    name: str
    revision: str | None = None
    split: str = ""
    config: str | None = None
    kind: str = "dataset"

    def __str__(self) -> str:
        parts = {"revision": self.revision or "main", "config": self.config, "split": self.split}
        if is_local(self.name):
            del parts["revision"]
        return f"{self.kind} {self.name!r} ({', '.join(f'{key} {value}' for key, value in parts.items() if value)})"


def refusal(error: Exception, source: Source) -> UserError:
    """What is wrong with a dataset that could not be read, and what to do about it."""
    from huggingface_hub import constants
    from huggingface_hub import errors as hub

    page = f"{constants.ENDPOINT}/{'datasets/' if source.kind == 'dataset' else ''}{source.name}"
    reason = "offline mode is set" if _offline() else " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, hub.GatedRepoError):
        what = f"gated, and you have no access. Accept its terms on {page}, then `hf auth login`, or set HF_TOKEN"
    elif isinstance(error, hub.RevisionNotFoundError):
        what = f"no such revision; expected a branch, tag or commit of {page}. Fix dataset.options"
    elif isinstance(error, hub.RepositoryNotFoundError | hub.HFValidationError):
        what = (
            f"no such repository at {constants.ENDPOINT}; expected a folder or a hub id owner/name. Fix "
            "dataset.options, or, if the repository is private, `hf auth login`"
        )
    elif isinstance(error, ConnectionError | hub.LocalEntryNotFoundError | hub.HTTPError) or _offline():
        what = (
            f"not in the cache, and the hub is not reached ({reason}). With network, run `hf download {source.name} "
            f"--repo-type {source.kind} --revision {source.revision or 'main'}`; or copy the repository's files to a "
            "folder here and name it in dataset.options"
        )
    else:
        what = f"not readable: {reason}. Expected the repository's own files, README.md among them"
    return UserError(f"{source}: {what}")


def _offline() -> bool:
    from datasets import config
    from huggingface_hub import constants

    return bool(config.HF_HUB_OFFLINE or constants.is_offline_mode())


@cache
def locate(source: Source) -> tuple[str, str | None]:
    """Where to read a dataset: its folder and None, or its hub id and the commit that the revision stands for.

    Raises:
        UserError: no such folder, repository or revision, no access, or no network and no cached copy.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HFValidationError, HTTPError

    if is_local(source.name):
        folder = user_path(source.name).resolve()
        if not folder.is_dir():
            raise UserError(f"{source}: {folder} is not a folder, and a hub id has the form owner/name")
        return str(folder), None
    try:
        if _offline():
            kept = snapshot_download(
                source.name, repo_type=source.kind, revision=source.revision, local_files_only=True
            )
            return kept, Path(kept).name  # a snapshot is named by its commit
        HfApi().auth_check(source.name, repo_type=source.kind)
        return source.name, HfApi().repo_info(source.name, revision=source.revision, repo_type=source.kind).sha
    except (HTTPError, OSError, HFValidationError) as error:
        raise refusal(error, source) from error


def commit_of(source: Source) -> str:
    """What to record of a sample's origin: the commit, or `local`."""
    return locate(source)[1] or "local"


def fetch(source: Source, name: str) -> Path:
    """One file of a dataset: in its folder, or downloaded to the hub's cache.

    Raises:
        UserError: as `locate`, or the dataset has no such file.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HTTPError, LocalEntryNotFoundError

    place, commit = locate(source)
    missing = UserError(f"{source}: no file {name!r}; expected the files of the repository")
    if Path(place).is_dir():
        if not (Path(place) / name).is_file():
            raise missing
        return Path(place) / name
    try:
        return Path(hf_hub_download(place, name, repo_type=source.kind, revision=commit))
    except LocalEntryNotFoundError as error:
        raise refusal(error, source) from error
    except EntryNotFoundError as error:
        raise missing from error
    except (HTTPError, OSError) as error:
        raise refusal(error, source) from error


def _load(source: Source, **options: Any) -> Any:
    """The stream of a split, media undecoded."""
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    place, commit = locate(source)
    revision = None if Path(place).is_dir() else commit
    # An empty cache: on trouble the library would take whatever revision it finds there.
    with TemporaryDirectory() as empty:
        try:
            return load_dataset(
                place, source.config, split=source.split, streaming=True, revision=revision, cache_dir=empty, **options
            ).decode(False)
        except (DatasetsError, OSError, ValueError, RuntimeError) as error:
            raise refusal(error, source) from error


def records(
    source: Source, columns: Sequence[str], parquet: bool = True, nullable: Sequence[str] = ()
) -> Iterator[Record]:
    """The records of a split, in its order, with these columns only; media are mappings with `bytes`.

    Args:
        source: the split.
        columns: what each record must have.
        parquet: the files are Parquet: no other column is even fetched.
        nullable: those of the columns in which a record may have no value.

    Raises:
        UserError: the split cannot be read, lacks a column, has a record without a value in one that needs it, or is a
            folder with fewer records than its card says.
    """
    whole = _load(source)
    missing = [name for name in columns if name not in (whole.features or ())]
    if missing:
        raise UserError(
            f"{source}: no field {', '.join(map(repr, missing))}; its fields are {', '.join(whole.features or ())}. "
            "The dataset changed, or this is another one: fix dataset.options"
        )
    stream = _load(source, columns=list(columns)) if parquet else whole.select_columns(list(columns))
    left, number = iter(stream), 0
    while (record := _next(left, source)) is not None:
        for name in columns:
            if record[name] is None and name not in nullable:
                raise UserError(f"{source}: record {number} has no {name!r}; choose a split with every field filled in")
        yield record
        number += 1
    promised = (whole.info.splits or {}).get(source.split)
    if promised and number < promised.num_examples and Path(locate(source)[0]).is_dir():
        raise UserError(f"{source}: {number} of {promised.num_examples} records; the copy is not whole, fetch it again")


def _next(left: Iterator[Record], source: Source) -> Record | None:
    from datasets.exceptions import DatasetsError
    from huggingface_hub.errors import HTTPError

    try:
        return next(left, None)
    except (DatasetsError, HTTPError, OSError, ValueError) as error:
        raise refusal(error, source) from error


def drawn(
    source: Source,
    keys: Sequence[str],
    columns: Sequence[str],
    identify: Callable[[int, Record], tuple[str, str] | None],
    draw: Draw,
) -> Iterator[tuple[str, Record]]:
    """A uniform draw of a split: pairs of a sample id and its record, in the split's order.

    The split is read twice: its keys, to decide, and then its records, up to the last that was drawn.

    Args:
        source: the split.
        keys: the columns that `identify` needs; never media.
        columns: the columns of the records.
        identify: from number and keys of a record to its sample id and content (see `drawn_ids`), None to leave it out.
        draw: which to take.
    """
    found = [identify(number, record) for number, record in enumerate(records(source, keys))]
    wanted = drawn_ids((name for name in found if name is not None), draw)
    yield from taken(source, columns, [name and name[0] for name in found], wanted)


def taken(
    source: Source, columns: Sequence[str], names: Sequence[str | None], wanted: set[str], nullable: Sequence[str] = ()
) -> Iterator[tuple[str, Record]]:
    """Pairs of a sample id and its record, in the split's order, up to the last that is wanted.

    Args:
        source: the split.
        columns: the columns of the records.
        names: the sample ids of the first records, in order; None where a record is left out.
        wanted: the sample ids to take; each once.
        nullable: as of `records`.
    """
    left = set(wanted)
    stream = records(source, columns, nullable=nullable)
    for name in names:
        if not left:
            return
        record = next(stream)
        if name in left:
            left.discard(name)
            yield name, record


def media_type(data: bytes) -> str:
    """The media type of an encoded file, by its first bytes."""
    found = (kind for at, magic, kind in _MAGIC if data[at : at + len(magic)] == magic)
    return next(found, "application/octet-stream")


def encoded(kind: str, field: Record, sample_id: str) -> Medium:
    """A medium from an image or audio field, as the file that the dataset holds."""
    if not field["bytes"]:
        raise UserError(
            f"sample {sample_id}: its {kind} is a path, {field.get('path')!r}, without bytes; expected a dataset whose "
            "media lie in its Parquet files"
        )
    return Medium(kind, field["bytes"], media_type(field["bytes"]))
