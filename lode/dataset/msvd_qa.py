"""MSVD-QA: questions about short YouTube clips, one-word answers (test, 13,157 questions about 520 clips).

`source` has the questions: `MSVD-QA.zip`, in it `test_qa.json` (id, video_id, question, answer), and
`youtube_mapping.txt` with lines "<YouTube id>_<start>_<end> vid<video_id>". `videos` has the clips: `MSVD_Videos.zip`,
one `<YouTube id>_<start>_<end>.avi` each. A clip is read from the archive when a question needs it; nothing is
unpacked. The cluster is the YouTube video, of which several clips may come, and the splits share none.

The prompt is MINER's. It shows the model one frame a second of at most 360 x 420 pixels, chosen by qwen_vl_utils, which
is the model's config (`qwen2_vl_7b`).
"""

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import BadZipFile, ZipFile

from lode.dataset import Sample
from lode.dataset._splits import Draw, drawn_ids
from lode.engine.errors import UserError
from lode.hub.datasets import Source, commit_of, fetch, media_type
from lode.media import Medium

HELD_OUT = "clusters"
QUESTIONS, MAPPING, VIDEOS = "MSVD-QA.zip", "youtube_mapping.txt", "MSVD_Videos.zip"
INSTRUCTION = "\nAnswer the question using a single word or phrase."
FIELDS = ("id", "video_id", "question", "answer")


class Archive:
    """A zip whose members are found by their last name, in whatever folder they lie.

    Raises:
        UserError: the file is no zip.
    """

    def __init__(self, path: Path) -> None:
        try:
            self.zip = ZipFile(path)
        except BadZipFile as error:
            raise UserError(f"{path.name}: not a readable zip ({error}); a broken download? Fetch it again") from error
        self.path = path
        self.members = {PurePosixPath(name).name: name for name in self.zip.namelist() if not name.endswith("/")}

    def read(self, name: str) -> bytes:
        """The bytes of one member.

        Raises:
            UserError: no such member, or a damaged one.
        """
        if name not in self.members:
            held = ", ".join(sorted(self.members)[:3]) or "nothing"
            raise UserError(f"{self.path.name}: no {name!r} among its {len(self.members)} files ({held}, ...)")
        try:
            return self.zip.read(self.members[name])
        except (BadZipFile, OSError, EOFError) as error:
            raise UserError(f"{self.path.name}: {name!r} cannot be read ({error}); fetch the archive again") from error


def questions(source: Source) -> list[dict[str, Any]]:
    """The records of the test split, each with the clip's name in `clip`.

    Raises:
        UserError: a file or a field is missing, or a clip has no name.
    """
    found = json.loads(Archive(fetch(source, QUESTIONS)).read("test_qa.json"))
    lines = (line.split() for line in fetch(source, MAPPING).read_text().splitlines() if line.strip())
    clips = {number: clip for clip, number in lines}
    for record in found:
        missing = [name for name in FIELDS if name not in record]
        if missing:
            raise UserError(
                f"{source}: test_qa.json: no field {', '.join(map(repr, missing))}; its fields are {', '.join(record)}"
            )
        record["clip"] = clips.get(f"vid{record['video_id']}")
        if record["clip"] is None:
            raise UserError(f"{source}: {MAPPING} has no line for vid{record['video_id']} of question {record['id']}")
    return found


def samples(
    split: str,
    num_samples: int,
    seed: int,
    source: str,
    videos: str,
    revision: str | None = None,
    videos_revision: str | None = None,
    mine_frac: float = 0.5,
) -> Iterator[Sample]:
    """Yield a uniform draw of the split.

    Args:
        split: `mine` or `test`; a YouTube video is in one of them.
        num_samples: at most this many.
        seed: of the split and of the draw.
        source: hub id or folder of the questions.
        videos: hub id or folder of the clips.
        revision: of the hub dataset with the questions.
        videos_revision: of the hub dataset with the clips.
        mine_frac: share of the YouTube videos that go to `mine`.
    """
    origin, clips = Source(source, revision), Source(videos, videos_revision)
    found = questions(origin)
    identities = [(f"msvd_qa-{record['id']}", record["clip"].rsplit("_", 2)[0]) for record in found]
    wanted = drawn_ids(identities, Draw(split, num_samples, seed, mine_frac))
    archive = Archive(fetch(clips, VIDEOS))
    last, data = "", b""
    for record, (name, youtube_id) in zip(found, identities, strict=True):
        if name not in wanted:
            continue
        if record["clip"] != last:  # the questions about a clip follow each other
            last, data = record["clip"], archive.read(f"{record['clip']}.avi")
        yield Sample(
            sample_id=name,
            cluster_id=youtube_id,
            split=split,
            prompt=record["question"].strip() + INSTRUCTION,
            answers=(record["answer"],),
            media=(Medium("video", data, media_type(data)),),
            meta={"revision": commit_of(origin), "videos_revision": commit_of(clips), "clip": record["clip"]},
        )
