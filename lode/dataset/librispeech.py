"""LibriSpeech: read English books, 16 kHz (test-clean, 2,620 utterances of 40 speakers), transcripts in upper case.

The cluster is the speaker, and the splits share none. The FLAC files are taken as they are. The prompt asks for the
plain transcription, as MINER's does, in our words (MINER's are in its repository, `huang-kc/MINER`, `utils/dataset.py`;
set `prompt` to repeat them). Records of `openslr/librispeech_asr`, configuration `clean`.

A model hears so much at once (Qwen2-Audio 30 s) and refuses what is longer, as a few utterances are: the config leaves
those out (`max_seconds`), where the paper's code cut them.
"""

from collections.abc import Iterator
from io import BytesIO

import soundfile

from lode.dataset import Sample
from lode.dataset._splits import Draw
from lode.hub.datasets import Record, Source, commit_of, drawn, encoded

HELD_OUT = "clusters"
PROMPT = "Transcribe the speech in this audio. Answer with the plain transcription only."
KEYS = ("id", "speaker_id")
COLUMNS = (*KEYS, "chapter_id", "text", "audio")


def _identity(number: int, record: Record) -> tuple[str, str]:
    return f"librispeech-{record['id']}", f"speaker-{record['speaker_id']}"


def samples(
    split: str,
    num_samples: int,
    seed: int,
    source: str,
    revision: str | None = None,
    prompt: str = PROMPT,
    mine_frac: float = 0.5,
    max_seconds: float | None = None,
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
        max_seconds: longer utterances are left out of the draw, not replaced; None: none is.
    """
    origin = Source(source, revision, "test", "clean")
    for name, record in drawn(origin, KEYS, COLUMNS, _identity, Draw(split, num_samples, seed, mine_frac)):
        sound = encoded("audio", record["audio"], name)
        if max_seconds is not None and soundfile.info(BytesIO(sound.bytes)).duration > max_seconds:
            continue
        yield Sample(
            sample_id=name,
            cluster_id=f"speaker-{record['speaker_id']}",
            split=split,
            prompt=prompt,
            answers=(record["text"],),
            media=(sound,),
            meta={"revision": commit_of(origin), "chapter_id": record["chapter_id"]},
        )
