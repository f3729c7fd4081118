"""A model hub on this machine: the few endpoints that a snapshot download uses, with faults on demand."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.local_hub import COMMIT, HubHandler


@dataclass
class Repository:
    """Files of one commit, which the branch `main` points to. `*.safetensors` and `*.bin` are large (LFS) files."""

    files: dict[str, bytes]
    gated: bool = False


@dataclass
class ModelHub:
    """What the hub holds, the faults it has, and what was asked of it.

    Attributes:
        repositories: by `owner/name`.
        cut: for a file, the connection breaks once when so many bytes of its body are sent.
        down: every request is answered by status 503.
        sent: bytes of the body sent, by file.
        ranges: the `Range` header of every GET of a file, in their order.
    """

    repositories: dict[str, Repository] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    down: bool = False
    sent: Counter[str] = field(default_factory=Counter)
    ranges: dict[str, list[str | None]] = field(default_factory=dict)
    url: str = ""


def large(name: str) -> bool:
    """Whether a file is stored by LFS, where the hub states its SHA-256."""
    return name.endswith((".safetensors", ".bin"))


def git_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def entry(name: str, content: bytes) -> dict[str, Any]:
    """A file as the tree listing shows it."""
    shown: dict[str, Any] = {"type": "file", "path": name, "size": len(content), "oid": git_id(content)}
    if large(name):
        shown["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return shown


def sibling(name: str, content: bytes) -> dict[str, Any]:
    """A file as the description of the model shows it."""
    return {"rfilename": name, "size": len(content), "blobId": git_id(content)}


class ModelHubHandler(HubHandler):
    """Answers for the repositories of models."""

    def do_GET(self) -> None:
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        api = parts[:2] == ["api", "models"]
        owner, name, *rest = parts[2 if api else 0 :]
        repository = self.hub.repositories.get(f"{owner}/{name}")
        if self.hub.down:
            self.reply(503)
        elif repository is None:
            self.refuse(404, "RepoNotFound")
        elif (rest[1] if len(rest) > 1 else "main") not in ("main", COMMIT):
            self.refuse(404, "RevisionNotFound")
        elif api and rest[:1] == ["tree"]:
            self.reply(200, json.dumps([entry(*item) for item in repository.files.items()]).encode())
        elif api:
            siblings = [sibling(*item) for item in repository.files.items()]
            self.reply(200, json.dumps({"id": f"{owner}/{name}", "sha": COMMIT, "siblings": siblings}).encode())
        elif repository.gated:
            self.refuse(403, "GatedRepo")
        else:
            self.send_file("/".join(rest[2:]), repository.files)

    def send_file(self, name: str, files: dict[str, bytes]) -> None:
        if name not in files:
            return self.refuse(404, "EntryNotFound")
        content = files[name]
        etag = entry(name, content)["lfs"]["oid"] if large(name) else git_id(content)
        headers = {"X_Repo_Commit": COMMIT, "ETag": f'"{etag}"', "X_Linked_Size": str(len(content))}
        if self.command == "HEAD":
            return self.reply(200, content, **headers)
        wanted = self.headers.get("Range")
        self.hub.ranges.setdefault(name, []).append(wanted)
        start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
        if wanted:
            headers["Content_Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        body = content[start:]
        cut = self.hub.cut.pop(name, None)
        self.hub.sent[name] += len(body[:cut])
        if cut is None:
            return self.reply(206 if wanted else 200, body, **headers)
        self.start(200, len(body), **headers)
        self.wfile.write(body[:cut])
        self.close_connection = True  # in the middle of the body
