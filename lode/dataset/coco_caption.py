"""COCO captions: photographs with five captions each (Karpathy's test images, 5,000 of COCO's val2014).

Records of `lmms-lab/COCO-Caption`, kept where their `question_id`, a file name, is in Karpathy's list. The prompt asks
for one short caption and shows four captions of COCO, as MINER's does; the request is in our words (MINER's are in its
repository, `huang-kc/MINER`, `utils/dataset.py`; set `prompt` to repeat them). The four captions are those that MINER
shows. They are references of one image of the list, and that image is left out: its answer is in the prompt.
"""

from collections.abc import Iterator

from lode.dataset import Sample
from lode.dataset._splits import Draw
from lode.engine.errors import UserError
from lode.engine.paths import user_path
from lode.hub.datasets import Record, Source, commit_of, drawn, encoded, records

HELD_OUT = "clusters"
EXAMPLES_OF = "COCO_val2014_000000391895.jpg"
EXAMPLES = (
    "A man with a red helmet on a small moped on a dirt road.",
    "Man riding a motor bike on a dirt road on the countryside.",
    "A man riding on the back of a motorcycle.",
    "A man in a red shirt and a red hat is on a motorcycle on a hill side.",
)
PROMPT = (
    "Describe this image with one short caption in the style of COCO. Examples of such captions: "
    + " ".join(f"{number}. {caption}" for number, caption in enumerate(EXAMPLES, 1))
    + " Caption of this image:"
)
KEYS = ("question_id",)
COLUMNS = (*KEYS, "image", "answer")


def karpathy_names(karpathy: str, revision: str | None) -> tuple[set[str], str]:
    """The file names of Karpathy's test images, and the commit of the dataset that lists them (`local` for a file).

    Args:
        karpathy: a text file with one name a line, or a dataset whose `test` split has the field `filename`.
        revision: of the hub dataset.

    Raises:
        UserError: no such file or dataset, or no such field.
    """
    if karpathy.endswith(".txt"):
        path = user_path(karpathy)
        if not path.is_file():
            raise UserError(f"dataset.options.karpathy: {path} is not a file; expected one image file name a line")
        return {line.split()[0] for line in path.read_text().splitlines() if line.strip()}, "local"
    source = Source(karpathy, revision, "test")
    return {record["filename"] for record in records(source, ("filename",), parquet=False)}, commit_of(source)


def samples(
    split: str,
    num_samples: int,
    seed: int,
    source: str,
    revision: str | None = None,
    karpathy: str = "yerevann/coco-karpathy",
    karpathy_revision: str | None = None,
    prompt: str = PROMPT,
    mine_frac: float = 0.5,
) -> Iterator[Sample]:
    """Yield a uniform draw of the split.

    Args:
        split: `mine` or `test`; an image is in one of them.
        num_samples: at most this many.
        seed: of the split and of the draw.
        source: a hub id or a folder.
        revision: of the hub dataset.
        karpathy: where the list of images is, see `karpathy_names`.
        karpathy_revision: of its hub dataset.
        prompt: the request.
        mine_frac: share of the images that go to `mine`.
    """
    listed, list_commit = karpathy_names(karpathy, karpathy_revision)

    def identity(number: int, record: Record) -> tuple[str, str] | None:
        name = record["question_id"]
        return (f"coco_caption-{name}", name) if name in listed and name != EXAMPLES_OF else None

    origin = Source(source, revision, "val")
    for name, record in drawn(origin, KEYS, COLUMNS, identity, Draw(split, num_samples, seed, mine_frac)):
        yield Sample(
            sample_id=name,
            cluster_id=record["question_id"],
            split=split,
            prompt=prompt,
            answers=tuple(record["answer"]),
            media=(encoded("image", record["image"], name),),
            meta={"revision": commit_of(origin), "karpathy_revision": list_commit},
        )
