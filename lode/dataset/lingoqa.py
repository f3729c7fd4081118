"""LingoQA: questions about what a car sees, five frames of its front camera each (evaluation, 500 questions).

MMNeuron's domain "road". Every question has two answers by people, which are two records; here they are one sample.
The frames stand side by side in one picture, left to right as time goes, as in MMNeuron: many models take one image.
Frames are scaled to `height` rows first, since 9,600 x 1,080 pixels are more than any of these models looks at.

The prompt says that the camera is in the car, in our words (MMNeuron's are in its repository, `Z1zs/MMNeuron`,
`scripts/load_bench.py`; set `prompt` to repeat them). The cluster is the scene (`segment_id`), of which there are 100.
The publisher's files lie on a drive without an interface; records are those of the copy `runoob1/lingoqa`.
"""

from collections import defaultdict
from collections.abc import Iterator

from PIL import Image

from lode.dataset import Sample
from lode.dataset._domains import Identity, drawn_images, worded
from lode.dataset._splits import Draw
from lode.hub.datasets import Record, Source, commit_of, encoded
from lode.media import Medium, Sampling, decode, encode_image

HELD_OUT = "clusters"
DOMAIN = "road"
PROMPT = "You see the road from a camera in the car that you drive; the car itself is not in view. Question: {question}"
FRAMES = tuple(f"image_{number}" for number in range(1, 6))
KEYS = ("question_id", "segment_id", "answer")
COLUMNS = ("segment_id", "question", *FRAMES)


def side_by_side(frames: list[Image.Image], height: int | None) -> Medium:
    """Frames in one picture, left to right.

    Args:
        frames: in the order of time.
        height: rows of the picture [pixels], to which every frame is scaled; None: those of the first frame.
    """
    rows = height or frames[0].height
    scaled = [
        frame
        if frame.height == rows
        else frame.resize((max(1, round(frame.width * rows / frame.height)), rows), Image.Resampling.BICUBIC)
        for frame in frames
    ]
    picture, left = Image.new("RGB", (sum(frame.width for frame in scaled), rows)), 0
    for frame in scaled:
        picture.paste(frame, (left, 0))
        left += frame.width
    return encode_image(picture)


def samples(
    split: str,
    num_samples: int,
    seed: int,
    source: str,
    revision: str | None = None,
    prompt: str = PROMPT,
    height: int | None = 336,
    mine_frac: float = 0.5,
) -> Iterator[Sample]:
    """Yield a uniform draw of the split.

    Args:
        split: `mine` or `test`; a scene is in one of them.
        num_samples: at most this many.
        seed: of the split and of the draw.
        source: a hub id or a folder.
        revision: of the hub dataset.
        prompt: the form of the request, `{question}` where the question goes.
        height: of the picture [pixels]; None: that of the frames.
        mine_frac: share of the scenes that go to `mine`.
    """
    answers: dict[str, list[str]] = defaultdict(list)

    def identity(number: int, record: Record) -> Identity | None:
        answers[record["question_id"]].append(record["answer"])
        if len(answers[record["question_id"]]) > 1:
            return None
        return Identity(f"lingoqa-{record['question_id']}", record["segment_id"], record["question_id"])

    origin, draw = Source(source, revision, "test"), Draw(split, num_samples, seed, mine_frac)
    for found, record in drawn_images(origin, KEYS, COLUMNS, identity, draw, one_per_image=False):
        media = [encoded("image", record[column], found.sample_id) for column in FRAMES]
        frames = [decode(found.sample_id, medium, Sampling()) for medium in media]
        yield Sample(
            sample_id=found.sample_id,
            cluster_id=found.cluster,
            split=split,
            prompt=worded(prompt, record["question"]),
            answers=tuple(dict.fromkeys(answers[found.image])),
            media=(side_by_side(frames, height),),
            meta={"revision": commit_of(origin), "domain": DOMAIN},
        )
