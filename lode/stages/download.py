"""Stage 1a: have a model at hand and record exactly which: files, sizes, digests, revision."""

import json
from hashlib import file_digest
from pathlib import Path
from typing import Any

from lode.artifacts import replacing
from lode.config import ROOT
from lode.errors import UserError
from lode.validation import is_local, local_folder


def describe(folder: Path, with_digest: bool) -> list[dict[str, Any]]:
    """Name and size of every file of a model folder, with SHA-256 where asked."""
    files = []
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        entry: dict[str, Any] = {"name": path.name, "size": path.stat().st_size}
        if with_digest:
            with path.open("rb") as file:
                entry["sha256"] = file_digest(file, "sha256").hexdigest()
        files.append(entry)
    return files


def fetch(source: str, revision: str | None) -> Path:
    """Download a hub model into the Hugging Face cache (resumable); return its snapshot folder.

    Raises:
        UserError: no such repository, no permission, no network, or no space.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    patterns = ["*.json", "*.jinja", "*.txt", "*.model", "*.safetensors"]
    try:
        return Path(snapshot_download(source, revision=revision, allow_patterns=patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"model {source!r} at revision {revision or 'main'} could not be downloaded: {error}. "
            "Check the name, `hf auth login` for a gated model, the network, and the free space of the cache"
        ) from error


def run(cfg: Any, made_by: dict[str, Any]) -> None:
    """Write the manifest of a local folder or of a downloaded snapshot."""
    source, revision = cfg.model.source, cfg.model.revision
    local = is_local(source)
    folder = local_folder(source) if local else fetch(source, revision)
    manifest = {
        "name": cfg.model.name,
        "source": source,
        "revision": None if local else folder.name,  # a snapshot folder is named by its commit
        "folder": str(folder.relative_to(ROOT)) if folder.is_relative_to(ROOT) else str(folder),
        "files": describe(folder, with_digest=local),  # hub files are content-addressed by the commit
        "made_by": made_by,
    }
    with replacing(cfg.io.output) as temporary:
        temporary.write_text(json.dumps(manifest, indent=1) + "\n")
