"""MMLU: four-way multiple choice over 57 subjects (test, 14,042 questions), five worked examples before each.

Hendrycks' prompt: a header, five questions of the subject's `dev` split with their letters, the question, "Answer:".
As in his code, and MINER's, examples are dropped, the last first, until the prompt has at most 2,048 tokens of GPT-2,
whatever the model that is asked. `tokenizer` names the repository (or a folder) whose `tokenizer.json` counts them.
One blank less than in his code stands before the subject, and none around a question.

The cluster is the subject. The split is by question, so that both splits hold all subjects: held out are questions, and
no subject. Records of `cais/mmlu`,
configuration `all`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from lode.dataset import BY_LETTER, Sample
from lode.dataset._splits import Draw
from lode.engine.errors import UserError
from lode.hub.datasets import Record, Source, commit_of, drawn, fetch, records

HELD_OUT = "samples"
LETTERS = "ABCD"
KEYS = ("question",)
COLUMNS = ("question", "subject", "choices", "answer")


def worded(record: Record) -> str:
    """A question with its lettered options, up to "Answer:"."""
    options = (f"{letter}. {choice}" for letter, choice in zip(LETTERS, record["choices"], strict=True))
    return "\n".join([record["question"].strip(), *options, "Answer:"])


def token_counter(source: Source) -> Callable[[str], int]:
    """A function that counts the tokens of a text, special ones left out.

    Raises:
        UserError: the repository cannot be read, or its `tokenizer.json` is none.
    """
    from transformers import PreTrainedTokenizerFast

    path = fetch(source, "tokenizer.json")
    try:
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(path), model_max_length=10**9)
    except Exception as error:  # the Rust library raises no other class
        raise UserError(f"{source}: tokenizer.json is no tokenizer ({error}); fetch it again") from error
    return lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])


def few_shot(record: Record, examples: Sequence[Record], num_tokens: Callable[[str], int], max_tokens: int) -> str:
    """The prompt of a question, with as many of the examples as fit, the first ones first.

    Args:
        record: the question.
        examples: solved questions of its subject.
        num_tokens: of a text.
        max_tokens: the longest prompt with an example; a question alone may be longer.
    """
    subject = record["subject"].replace("_", " ")
    header = f"The following are multiple choice questions (with answers) about {subject}."
    solved = [f"{worded(example)} {LETTERS[example['answer']]}" for example in examples]
    while True:
        prompt = "\n\n".join([header, *solved, worded(record)])
        if not solved or num_tokens(prompt) <= max_tokens:
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
    tokenizer: str = "openai-community/gpt2",
    tokenizer_revision: str | None = None,
    max_prompt_tokens: int = 2048,
    mine_frac: float = 0.5,
) -> Iterator[Sample]:
    """Yield a uniform draw of the split.

    Args:
        split: `mine` or `test`; a question is in one of them.
        num_samples: at most this many.
        seed: of the split and of the draw.
        source: a hub id or a folder.
        revision: of the hub dataset.
        num_shots: worked examples before a question.
        tokenizer: hub id or folder of the model whose `tokenizer.json` counts the tokens of a prompt.
        tokenizer_revision: of that repository.
        max_prompt_tokens: examples are dropped from longer prompts.
        mine_frac: share of the questions that go to `mine`.

    Raises:
        UserError: a subject has too few examples, a question has not four options with one right, or the tokenizer
            cannot be read.
    """
    num_tokens = token_counter(Source(tokenizer, tokenizer_revision, kind="model"))
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
            prompt=few_shot(record, examples[subject][:num_shots], num_tokens, max_prompt_tokens),
            answers=(LETTERS[answer],),
            choices=tuple(record["choices"]),
            answer_index=answer,
            meta={"revision": commit_of(origin), **BY_LETTER},
        )
