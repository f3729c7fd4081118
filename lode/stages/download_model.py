"""Stage 1a: have a model at hand and record exactly which: files, sizes, digests, revision.

A hub model goes to the Hugging Face cache, where every project finds it. A download that broke goes on where it
stopped: a lost connection in the middle of a file, a later run with the files that are not there yet. Without network,
or with `HF_HUB_OFFLINE=1`, the cached copy is used. A model in parts is put together there too, from its folder and the
wheels that hold the rest (`lode/model/parts.py`); the manifest says which.
"""

import errno
import json
import shutil
from pathlib import Path
from typing import Any

from lode.checks.model_folder import (
    check_folder,
    check_processor_names,
    check_weight_names,
    local_folder,
)
from lode.config import StepConfig
from lode.engine.errors import UserError
from lode.engine.paths import ROOT, is_local
from lode.engine.seal import BLANK
from lode.engine.tables import replacing
from lode.model.manifest import LOADED, NOT_LOADED, describe
from lode.model.parts import made_of
from lode.model.training_data import training_data

#: What is fetched of a repository.
PATTERNS: dict[str, Any] = {"allow_patterns": list(LOADED), "ignore_patterns": list(NOT_LOADED)}


def gigabytes(num_bytes: int) -> str:
    """A size for messages."""
    return f"{num_bytes / 1e9:,.3f} GB"


def free_space(folder: Path) -> int:
    """Free bytes on the disk of a folder that need not exist yet."""
    return shutil.disk_usage(next(p for p in (folder, *folder.parents) if p.exists())).free


def check_offer(source: str, revision: str | None, cache: Path, takes_media: bool = True) -> None:
    """Before anything is fetched: does the repository hold a whole model of the right kind, and is there room for it?

    Where the hub does not answer, the download itself says so.

    Raises:
        UserError: no safetensors weights, tokenizer or processor, or too little space.
    """
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HTTPError, OfflineModeIsEnabled
    from huggingface_hub.utils import filter_repo_objects

    try:
        info = HfApi().model_info(source, revision=revision, files_metadata=True)
    except (HTTPError, OfflineModeIsEnabled):
        return
    held = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    wanted = list(filter_repo_objects(held, **PATTERNS))
    check_weight_names(held, f"model {source!r} at revision {revision or 'main'!r}")
    check_processor_names(wanted, f"model {source!r} at revision {revision or 'main'!r}", takes_media)
    missing = [name for name in wanted if not isinstance(try_to_load_from_cache(source, name, revision=info.sha), str)]
    needed, free = sum(held[name] for name in missing), free_space(cache)
    if needed > free:
        raise no_space(source, f"{gigabytes(needed)} are still to be fetched, and {gigabytes(free)} are free", cache)


def no_space(source: str, numbers: str, cache: Path) -> UserError:
    """The error for a full disk."""
    return UserError(
        f"model {source!r}: not enough space in the cache {cache}: {numbers}. Free some (`hf cache ls`, `hf cache rm`) "
        "or set HF_HOME to a folder on a larger disk"
    )


def refusal(error: Exception, source: str, revision: str | None, cache: Path) -> UserError:
    """What is wrong with a download, and what to do about it."""
    from huggingface_hub import constants
    from huggingface_hub import errors as hub

    model = f"model {source!r} at revision {revision or 'main'!r}"
    page = f"{constants.ENDPOINT}/{source}"
    if isinstance(error, hub.LocalEntryNotFoundError) and isinstance(error.__cause__, hub.RepositoryNotFoundError):
        error = error.__cause__  # the cached copy is not whole, and the hub does not give the rest
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return no_space(source, f"the disk is full, {gigabytes(free_space(cache))} are free", cache)
    if isinstance(error, hub.GatedRepoError):
        return UserError(
            f"{model} is gated, and you have no access to it; expected an account that its owner has let in. "
            f"Ask for access on {page}, then `hf auth login` with that account, or set HF_TOKEN"
        )
    if isinstance(error, hub.RevisionNotFoundError):
        return UserError(f"{model}: no such revision; expected a branch, tag or commit of {page}. Fix model.revision")
    if isinstance(error, hub.RepositoryNotFoundError | hub.HFValidationError):
        return UserError(
            f"{model}: no such repository at {constants.ENDPOINT}; expected a folder, or the hub id owner/name of a "
            "model. Fix model.source, or, if the repository is private, `hf auth login`"
        )
    if isinstance(error, hub.LocalEntryNotFoundError | hub.OfflineModeIsEnabled):
        reason = "HF_HUB_OFFLINE is set" if constants.is_offline_mode() else f"{constants.ENDPOINT} cannot be reached"
        return UserError(
            f"{model} is not, or not wholly, in the cache {cache}, and {reason} ({error.__cause__ or error}). Run "
            "`python scripts/download_model.py` with network first, or copy a cache here and set HF_HOME to it"
        )
    return UserError(
        f"{model} could not be downloaded from {page}: {type(error).__name__}: {error}. Run again: what has arrived is "
        "kept"
    )


def fetch(source: str, revision: str | None, takes_media: bool = True) -> Path:
    """Download a hub model into the Hugging Face cache, or find it there; return its snapshot folder.

    Args:
        source: `owner/name`.
        revision: a commit, tag or branch; None: `main`.
        takes_media: whether the model takes more than text, and so needs a processor.

    Raises:
        UserError: no such repository or revision, no permission, no network, no space, or not a whole model.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HFValidationError, HTTPError

    cache = Path(constants.HF_HUB_CACHE)
    try:
        check_offer(source, revision, cache, takes_media)
        folder = Path(snapshot_download(source, revision=revision, cache_dir=cache, **PATTERNS))
    except (HTTPError, OSError, HFValidationError, RuntimeError) as error:
        raise refusal(error, source, revision, cache) from error
    check_folder(folder, f"model {source!r}", takes_media)
    return folder


def origin(config: Any) -> tuple[Path, dict[str, Any]]:
    """The folder of a model, and what the manifest says of where it comes from and what it holds.

    Args:
        config: the `model` section: `name`, `source`, `revision`, `parts` and `media_tokens`.

    Raises:
        UserError: that of `fetch`, or of `lode.model.assembling.assemble`; a folder that is not one whole model.
    """
    source, revision, takes_media = config.source, config.revision, bool(config.media_tokens)
    if config.parts:
        made = made_of(config)  # before torch is imported: it says what is not installed
        from lode.model.assembling import assemble

        folder, files = assemble(config)
        check_folder(folder, f"model {config.name}, put together from {source!r} and its parts", takes_media)
        return folder, {"revision": None, "made_of": made, "files": files}
    if is_local(source):
        folder = local_folder(source, takes_media)
        return folder, {"revision": None, "files": describe(folder)}
    folder = fetch(source, revision, takes_media)
    facts = {"requested_revision": revision or "main", "revision": folder.name}  # a snapshot is named by its commit
    return folder, {**facts, "files": describe(folder, stated=True)}


def run(cfg: StepConfig, made_by: dict[str, Any]) -> None:
    """Write the manifest of a local folder, of a downloaded snapshot, or of a model put together from parts."""
    folder, facts = origin(cfg.model)
    manifest = {
        "name": cfg.model.name,
        "source": cfg.model.source,
        "folder": str(folder.relative_to(ROOT)) if folder.is_relative_to(ROOT) else str(folder),
        **facts,
        "trained_on": training_data(folder),
        "made_by": made_by,
        "seal": BLANK,
    }
    with replacing(cfg.io["manifest"]) as temporary:
        temporary.write_text(json.dumps(manifest, indent=1) + "\n")
