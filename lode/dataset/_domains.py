"""What the datasets of MMNeuron's five domains have in common: the request, and one question of each image.

MMNeuron (arXiv 2406.11193; its code is `Z1zs/MMNeuron`) mines on the question alone and tests with a request around it;
here both splits have one prompt, of which `prompt` of a dataset's options is the form. It draws one question of each
image, so that 1,001 samples are 1,001 images; `one_per_image` does.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import NamedTuple

from lode.dataset import Sample
from lode.dataset._splits import Draw, drawn_ids
from lode.engine.errors import UserError
from lode.hub.datasets import Record, Source, commit_of, encoded, records, taken

#: The form of a prompt for a short answer, as MMNeuron's code and LLaVA's have it.
SHORT = "Question: {question}\nAnswer the question using a single word or phrase."


class Identity(NamedTuple):
    """What is known of a record before its image is.

    Attributes:
        sample_id: unique within the dataset.
        cluster: what is in one split only.
        image: what shows one picture; an image is of one cluster.
    """

    sample_id: str
    cluster: str
    image: str


def worded(prompt: str, question: str) -> str:
    """A prompt of this form.

    Args:
        prompt: with `{question}` where the question goes.
        question: of the record.

    Raises:
        UserError: the form has no place for the question.
    """
    if "{question}" not in prompt:
        raise UserError(
            f"dataset.options.prompt = {prompt!r}: expected {{question}} where the question goes, such as {SHORT!r}"
        )
    return prompt.replace("{question}", question.strip()).strip()


def one_of_each(identities: Iterable[Identity], seed: int) -> set[str]:
    """The sample ids of one record of each image: that of the smallest hash, whatever the order.

    Args:
        identities: of all records.
        seed: of the draw. The hashes are others than those of `drawn_ids`, so that an image with many questions is
            no likelier to be drawn than one with few.
    """
    chosen: dict[str, tuple[bytes, str]] = {}
    for identity in identities:
        point = sha256(f"{seed}|one of each|{identity.sample_id}".encode()).digest()
        mine = (point, identity.sample_id)
        chosen[identity.image] = min(chosen.get(identity.image, mine), mine)
    return {name for _, name in chosen.values()}


def chosen_ids(identities: Sequence[Identity], draw: Draw, one_per_image: bool) -> set[str]:
    """The sample ids of a uniform draw, of the images or of the questions.

    Args:
        identities: of all records.
        draw: which to take.
        one_per_image: draw images, and one question of each.
    """
    kept = one_of_each(identities, draw.seed) if one_per_image else {one.sample_id for one in identities}
    return drawn_ids(((one.sample_id, one.cluster) for one in identities if one.sample_id in kept), draw)


def drawn_images(
    source: Source,
    keys: Sequence[str],
    columns: Sequence[str],
    identify: Callable[[int, Record], Identity | None],
    draw: Draw,
    one_per_image: bool,
    nullable: Sequence[str] = (),
    first: int | None = None,
) -> Iterator[tuple[Identity, Record]]:
    """A uniform draw of a split, in its order. The split is read twice, as by `lode.hub.datasets.drawn`.

    Args:
        source: the split.
        keys: the columns that `identify` needs; never media.
        columns: the columns of the records.
        identify: from number and keys of a record; None to leave it out.
        draw: which to take.
        one_per_image: draw images, and one question of each.
        nullable: columns that may be null, of which `identify` leaves the record out.
        first: only so many records are looked at; None: all.
    """
    seen = islice(records(source, keys, nullable=nullable), first)
    found = [identify(number, record) for number, record in enumerate(seen)]
    wanted = chosen_ids([one for one in found if one is not None], draw, one_per_image)
    names = [one and one.sample_id for one in found]
    known = {one.sample_id: one for one in found if one is not None}
    for name, record in taken(source, columns, names, wanted, nullable):
        yield known[name], record


@dataclass(frozen=True)
class Questions:
    """Questions on the hub about one image each.

    Attributes:
        subset: the publishers' split.
        domain: that MMNeuron calls them.
        keys: the columns that `identify` needs; never media.
        columns: the columns of the records; `question` and `image` are among them.
        identify: from number and keys of a record; None to leave it out.
        answered: the sample of a record, from one without answers.
        prompt: the form of the request where the options name none.
        nullable: columns that may be null, of which `identify` leaves the record out.
    """

    subset: str
    domain: str
    keys: Sequence[str]
    columns: Sequence[str]
    identify: Callable[[int, Record], Identity | None]
    answered: Callable[[Sample, Record], Sample]
    prompt: str = SHORT
    nullable: Sequence[str] = ()


def samples_of_questions(asked: Questions) -> Callable[..., Iterator[Sample]]:
    """`samples` of a plug-in of such questions."""

    def samples(
        split: str,
        num_samples: int,
        seed: int,
        source: str,
        revision: str | None = None,
        prompt: str = asked.prompt,
        one_per_image: bool = True,
        first: int | None = None,
        mine_frac: float = 0.5,
    ) -> Iterator[Sample]:
        """Yield a uniform draw of the split.

        Args:
            split: `mine` or `test`; a cluster is in one of them.
            num_samples: at most this many.
            seed: of the split and of the draw.
            source: a hub id or a folder.
            revision: of the hub dataset.
            prompt: the form of the request, `{question}` where the question goes.
            one_per_image: draw images, and one question of each.
            first: only so many records are looked at; None: all.
            mine_frac: share of the clusters that go to `mine`.
        """
        origin, draw = Source(source, revision, asked.subset), Draw(split, num_samples, seed, mine_frac)
        drawn = drawn_images(
            origin, asked.keys, asked.columns, asked.identify, draw, one_per_image, asked.nullable, first
        )
        for identity, record in drawn:
            image = encoded("image", record["image"], identity.sample_id)
            yield asked.answered(
                Sample(
                    sample_id=identity.sample_id,
                    cluster_id=identity.cluster,
                    split=split,
                    prompt=worded(prompt, record["question"]),
                    answers=(),
                    media=(image,),
                    meta={"revision": commit_of(origin), "domain": asked.domain},
                ),
                record,
            )

    return samples
