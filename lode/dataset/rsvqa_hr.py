"""RS-VQA HR: questions about aerial photographs, made from a map (validation, 102,843 questions; 10,659 images in all).

MMNeuron's domain "aerial". Aerial orthophotos of the USGS, 512 x 512 pixels of 15 cm. Questions and answers come from
OpenStreetMap: is there one (`presence`), is there more of one than of another (`comp`), how many (`count`), how large
(`area`, such as "38m2"). No one sees an area to the square metre: see the scores, and `types` to leave types out.

The prompt is MMNeuron's form for a short answer. The cluster is the image. No hub has the dataset: `source` is a folder
(or a hub copy) with the files of its publishers, https://zenodo.org/records/6344367, of which `Images.tar` and the two
JSON files of a split are read. An image is read from the archive when a question needs it; nothing is unpacked. The
archive holds each image as `<number>.png` and as `<number>.tif`, of the same pixels; the first that it has is taken.
"""

import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from lode.dataset import Sample
from lode.dataset._domains import SHORT, Identity, chosen_ids, worded
from lode.dataset._splits import Draw
from lode.engine.errors import UserError, unknown_name
from lode.hub.datasets import Source, commit_of, fetch, media_type
from lode.media import Medium

HELD_OUT = "clusters"
DOMAIN = "aerial"
PLACE = "https://zenodo.org/records/6344367"
IMAGES = "Images.tar"
SUBSETS = ("train", "val", "test", "test_phili")
TYPES = ("presence", "comp", "count", "area")
ENDINGS = (".png", ".tif")


def entries(origin: Source, subset: str, kind: str, fields: Sequence[str]) -> list[dict[str, Any]]:
    """The active entries of one file of a split.

    Args:
        origin: where the files are.
        subset: the publishers' split.
        kind: `questions` or `answers`.
        fields: what each active entry must have.

    Raises:
        UserError: no such file, no JSON of this form, or a field that is missing.
    """
    name = f"USGS_split_{subset}_{kind}.json"
    try:
        found = [entry for entry in json.loads(fetch(origin, name).read_text())[kind] if entry["active"]]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{origin}: {name} is no list of {kind}, active or not ({error!r}); fetch it again from {PLACE}"
        ) from error
    for entry in found:
        missing = [field for field in fields if field not in entry]
        if missing:
            raise UserError(f"{origin}: {name}: no field {', '.join(map(repr, missing))} among {', '.join(entry)}")
    return found


def questions(origin: Source, subset: str, types: Sequence[str]) -> list[dict[str, Any]]:
    """The active questions of these types, each with its first answer in `answer`.

    Raises:
        UserError: as `entries`; a split or a type that there is not; a question whose answer is not in the file.
    """
    if subset not in SUBSETS:
        raise unknown_name("dataset.options.subset", subset, SUBSETS)
    for name in types:
        if name not in TYPES:
            raise unknown_name("dataset.options.types", name, TYPES)
    answers = {entry["id"]: str(entry["answer"]) for entry in entries(origin, subset, "answers", ("id", "answer"))}
    found = entries(origin, subset, "questions", ("id", "img_id", "type", "question", "answers_ids"))
    for entry in found:
        answer = next((answers[number] for number in entry["answers_ids"][:1] if number in answers), None)
        if answer is None:
            raise UserError(f"{origin}: question {entry['id']} has no active answer; fetch both files from {PLACE}")
        entry["answer"] = answer
    return [entry for entry in found if entry["type"] in types]


def identity_of(entry: Mapping[str, Any]) -> Identity:
    """What is known of a question before its image is read."""
    return Identity(f"rsvqa_hr-{entry['id']}", f"usgs-{entry['img_id']}", f"usgs-{entry['img_id']}")


def pictures(origin: Source, entries_of: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], Medium]]:
    """Each entry with its image, as the file in the archive.

    Raises:
        UserError: the archive cannot be read, or lacks an image.
    """
    try:
        with tarfile.open(fetch(origin, IMAGES), "r:") as archive:
            members = {PurePosixPath(member.name).name: member for member in archive if member.isfile()}
            for entry in entries_of:
                named = [members[name] for end in ENDINGS if (name := f"{entry['img_id']}{end}") in members]
                file = archive.extractfile(named[0]) if named else None
                if file is None:
                    raise UserError(f"{origin}: {IMAGES} has no {entry['img_id']}.png or .tif in {len(members)} files")
                data = file.read()
                yield entry, Medium("image", data, media_type(data))
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UserError(f"{origin}: {IMAGES} cannot be read ({error}); fetch it again from {PLACE}") from error


def samples(
    split: str,
    num_samples: int,
    seed: int,
    source: str | None,
    revision: str | None = None,
    subset: str = "val",
    types: Sequence[str] = TYPES,
    prompt: str = SHORT,
    one_per_image: bool = True,
    mine_frac: float = 0.5,
) -> Iterator[Sample]:
    """Yield a uniform draw of the split.

    Args:
        split: `mine` or `test`; an image is in one of them.
        num_samples: at most this many.
        seed: of the split and of the draw.
        source: a folder, or the hub id of a copy.
        revision: of the hub dataset.
        subset: the publishers' split: `train`, `val`, `test`, or `test_phili`, another city.
        types: of questions.
        prompt: the form of the request, `{question}` where the question goes.
        one_per_image: draw images, and one question of each.
        mine_frac: share of the images that go to `mine`.

    Raises:
        UserError: no source, or files that are not the publishers'.
    """
    if source is None:
        raise UserError(
            f"dataset.options.source of rsvqa_hr is not set; expected a folder with {IMAGES} and the files "
            f"USGS_split_{subset}_questions.json and USGS_split_{subset}_answers.json of {PLACE}. Name it in "
            "config/dataset/rsvqa_hr.yaml"
        )
    origin = Source(source, revision)
    found = questions(origin, subset, types)
    wanted = chosen_ids(
        [identity_of(entry) for entry in found], Draw(split, num_samples, seed, mine_frac), one_per_image
    )
    for entry, picture in pictures(origin, [entry for entry in found if identity_of(entry).sample_id in wanted]):
        yield Sample(
            sample_id=identity_of(entry).sample_id,
            cluster_id=identity_of(entry).cluster,
            split=split,
            prompt=worded(prompt, entry["question"]),
            answers=(entry["answer"],),
            media=(picture,),
            meta={"revision": commit_of(origin), "domain": DOMAIN, "question_type": entry["type"]},
        )
