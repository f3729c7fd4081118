"""VocalSound: six kinds of human vocal sounds, recorded by volunteers (the test split; the paper took all 20,977).

The cluster is the speaker, and the splits share none. The audio files are taken as they are. The prompt lists the six
labels with numbers, as MINER's does, in our words (MINER's are in its repository, `huang-kc/MINER`, `utils/dataset.py`;
set `prompt` to repeat them). Records of `lmms-lab-audio/vocalsound`.
"""

from collections.abc import Iterator

from lode.dataset import Sample
from lode.dataset._splits import Draw
from lode.engine.errors import unknown_name
from lode.hub.datasets import Record, Source, commit_of, drawn, encoded

HELD_OUT = "clusters"
LABELS = ("Laughter", "Sigh", "Cough", "Throat clearing", "Sneeze", "Sniff")
PROMPT = (
    "Classify the sound in this audio as one of: "
    + " ".join(f"{number}. {label}" for number, label in enumerate(LABELS, 1))
    + ". Answer with the name of the category only."
)
KEYS = ("spk_id",)
COLUMNS = (*KEYS, "answer", "audio")


def _identity(number: int, record: Record) -> tuple[str, str]:
    return f"vocalsound-{number:05d}", f"speaker-{record['spk_id']}"


def samples(
    split: str,
    num_samples: int,
    seed: int,
    source: str,
    revision: str | None = None,
    prompt: str = PROMPT,
    mine_frac: float = 0.5,
) -> Iterator[Sample]:
    """Yield a uniform draw of the split.

    Args:
        split: `mine` or `test`; a speaker is in one of them.
        num_samples: at most this many.
        seed: of the split and of the draw.
        source: a hub id or a folder.
        revision: of the hub dataset.
        prompt: the request.
        mine_frac: share of the speakers that go to `mine`.

    Raises:
        UserError: a record has another label than the six.
    """
    origin = Source(source, revision, "test")
    for name, record in drawn(origin, KEYS, COLUMNS, _identity, Draw(split, num_samples, seed, mine_frac)):
        label = record["answer"]
        if label not in LABELS:
            raise unknown_name(f"label of sample {name} in {origin}", label, LABELS)
        yield Sample(
            sample_id=name,
            cluster_id=f"speaker-{record['spk_id']}",
            split=split,
            prompt=prompt,
            answers=(label,),
            media=(encoded("audio", record["audio"], name),),
            choices=LABELS,
            answer_index=LABELS.index(label),
            meta={"revision": commit_of(origin)},
        )
