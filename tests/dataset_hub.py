"""A dataset hub on this machine: folders as repositories, by as much of the hub's HTTP interface as is used."""

import json
import re
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.local_hub import COMMIT, HubHandler

REVISIONS = ("main", "v1", COMMIT)


@dataclass
class DatasetHub:
    """What is served, and what was asked for.

    Attributes:
        repositories: folder of each id `owner/name`.
        gated: ids whose files no one may have.
        url: the endpoint.
        requests: method and path of every request.
    """

    repositories: dict[str, Path]
    gated: set[str] = field(default_factory=set)
    url: str = ""
    requests: list[str] = field(default_factory=list)


class DatasetHubHandler(HubHandler):
    """Answers for the repositories of datasets, and for single files of those of models."""

    def json(self, content: Any) -> None:
        self.reply(200, json.dumps(content).encode(), Content_Type="application/json")

    def do_POST(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        match = re.fullmatch(
            r"/(?:(?:api/)?datasets/|api/models/|)([^/]+/[^/]+)(?:/([^/]+)(?:/([^/]+))?(?:/(.*))?)?", path
        )
        name, verb, revision, rest = match.groups() if match else ("", None, None, None)
        if name not in self.hub.repositories:
            return self.refuse(401, "RepoNotFound")
        if verb == "auth-check" or (verb == "resolve" and name in self.hub.gated):
            return self.refuse(403, "GatedRepo") if name in self.hub.gated else self.json({})
        if revision not in (None, *REVISIONS):
            return self.refuse(404, "RevisionNotFound")
        if verb == "resolve":
            return self.file(self.hub.repositories[name] / (rest or ""))
        files = self.listing(self.hub.repositories[name])
        if verb == "tree":
            return self.json([entry for entry in files if entry["path"].startswith(rest or "")])
        if verb == "paths-info":
            asked = json.loads(body)["paths"] if body[:1] == b"{" else parse_qs(body.decode())["paths"]
            return self.json([entry for entry in files if entry["path"] in asked])
        names = [{"rfilename": entry["path"]} for entry in files if entry["type"] == "file"]
        return self.json({"id": name, "sha": COMMIT, "siblings": names, "private": False, "tags": []})

    def listing(self, folder: Path) -> list[dict[str, Any]]:
        paths = sorted(folder.rglob("*"))
        return [
            {
                "type": "directory" if path.is_dir() else "file",
                "path": str(path.relative_to(folder)),
                "oid": sha256(str(path).encode()).hexdigest()[:40],
                "size": 0 if path.is_dir() else path.stat().st_size,
            }
            for path in paths
        ]

    def file(self, path: Path) -> None:
        if not path.is_file():
            return self.refuse(404, "EntryNotFound")
        content = path.read_bytes()
        known = {"ETag": f'"{sha256(content).hexdigest()[:40]}"', "X_Repo_Commit": COMMIT}
        ranged = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if not ranged or self.command == "HEAD":
            return self.reply(200, content, Accept_Ranges="bytes", **known)
        first, last = int(ranged[1]), min(int(ranged[2] or len(content)), len(content) - 1)
        place = f"bytes {first}-{last}/{len(content)}"
        return self.reply(206, content[first : last + 1], Content_Range=place, **known)
