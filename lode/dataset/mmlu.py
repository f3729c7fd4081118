"""MMLU: four-way multiple choice over 57 subjects (test, 14,042 questions), five worked examples before each.

Hendrycks' prompt: a header, five questions of the subject's `dev` split with their letters, the question, "Answer:".
He drops examples until 2,048 tokens of GPT-2 hold the prompt. A dataset knows no tokenizer, so here characters are
counted: `max_prompt_chars` is 4 a token. The prompts that come near hold long passages (history, law), and English
prose has more than 4 characters a token, so that they stay below; denser subjects (mathematics) are far shorter. The
predictions table has the true lengths. One blank less than in his code stands before the subject.

The cluster is the subject. The split is by question, so that both splits hold all subjects: held out are questions, and
no subject. Records of `cais/mmlu`,
configuration `all`.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from lode.dataset import BY_LETTER, Sample
from lode.errors import UserError
from lode.hub import Record, Source, commit_of, drawn, records
from lode.splits import Draw

HELD_OUT = "samples"
LETTERS = "ABCD"
KEYS = ("question",)
COLUMNS = ("question", "subject", "choices", "answer")


def worded(record: Record) -> str:
    """A question with its lettered options, up to "Answer:"."""
    options = (f"{letter}. {choice}" for letter, choice in zip(LETTERS, record["choices"], strict=True))
    return "\n".join([record["question"].strip(), *options, "Answer:"])


def few_shot(record: Record, examples: Sequence[Record], max_chars: int) -> str:
    """The prompt of a question, with as many of the examples as fit, the first ones first.

    Args:
        record: the question.
        examples: solved questions of its subject.
        max_chars: the longest prompt with an example; a question alone may be longer.
    """
    subject = record["subject"].replace("_", " ")
    header = f"The following are multiple choice questions (with answers) about {subject}."
    solved = [f"{worded(example)} {LETTERS[example['answer']]}" for example in examples]
    while True:
        prompt = "\n\n".join([header, *solved, worded(record)])
        if len(prompt) <= max_chars or not solved:
            return prompt
        solved.pop()


def _identity(number: int, record: Record) -> tuple[str, str]:
    return f"mmlu-{number:05d}", record["question"]


def samples(
    split: str,
    num_samples: int,
    seed: int,
    source: str,
    revision: str | None = None,
    num_shots: int = 5,
    max_prompt_chars: int = 8192,
    mine_frac: float = 0.5,
) -> Iterator[Sample]:
    """Yield a uniform draw of the split.

    Args:
        split: `mine` or `report`; a question is in one of them.
        num_samples: at most this many.
        seed: of the split and of the draw.
        source: a hub id or a folder.
        revision: of the hub dataset.
        num_shots: worked examples before a question.
        max_prompt_chars: examples are dropped from longer prompts [characters].
        mine_frac: share of the questions that go to `mine`.

    Raises:
        UserError: a subject has too few examples, or a question has not four options with one right.
    """
    examples: dict[str, list[Record]] = defaultdict(list)
    for record in records(Source(source, revision, "dev", "all"), COLUMNS):
        examples[record["subject"]].append(record)
    origin = Source(source, revision, "test", "all")
    for name, record in drawn(origin, KEYS, COLUMNS, _identity, Draw(split, num_samples, seed, mine_frac)):
        subject, answer = record["subject"], record["answer"]
        if len(record["choices"]) != len(LETTERS) or not 0 <= answer < len(LETTERS):
            raise UserError(
                f"{origin}: sample {name} has answer {answer} of {len(record['choices'])}; expected 4 choices"
            )
        if len(examples[subject]) < num_shots:
            raise UserError(
                f"{origin}: {len(examples[subject])} examples of {subject} in split dev; expected {num_shots}"
            )
        yield Sample(
            sample_id=name,
            cluster_id=subject,
            split=split,
            prompt=few_shot(record, examples[subject][:num_shots], max_prompt_chars),
            answers=(LETTERS[answer],),
            choices=tuple(record["choices"]),
            answer_index=answer,
            meta={"revision": commit_of(origin), **BY_LETTER},
        )
