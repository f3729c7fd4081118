"""What a model says to one prompt, and how likely it finds a given answer."""

from dataclasses import dataclass
from typing import Any

import torch

from lode.library.opening import Model
from lode.library.shown import Shown, media_of
from lode.model.answering import Reply, generate, judge, prepare_batch, write
from lode.model.encoding import encode
from lode.model.sample import check_lengths


@dataclass(frozen=True)
class Answer:
    """What the model says, and of a gold answer what a run's `predictions` say.

    Attributes:
        text: the greedy reply.
        num_tokens: of the reply.
        truncated: whether the reply hit `max_new_tokens`.
        content: log-likelihood of the gold answer, summed over its tokens [nats]; None without one.
        stopping: log-likelihood of an end token after it [nats]; None without one.
    """

    text: str
    num_tokens: int
    truncated: bool
    content: float | None = None
    stopping: float | None = None


@torch.inference_mode()
def answer(
    model: Model,
    prompt: str,
    media: Shown | list[Shown] | None = None,
    gold: str | None = None,
    max_new_tokens: int = 128,
) -> Answer:
    """Ask a model as a benchmark does: chat markup, greedy decoding, and every switch that is on.

    Args:
        model: that of `lode.open`.
        prompt: the user's turn, without chat markup.
        media: what is shown before the prompt: a PIL image, the path of a file, (mono samples in [-1, 1], rate in Hz),
            (list of PIL images, frames per second); or a list of these.
        gold: the right answer, to take the likelihood of.
        max_new_tokens: of the reply, at most.

    Raises:
        UserError: a medium that cannot be read or that the model does not take, markup of the model in a text, an
            answer without a token, or more tokens than the model's context.
    """
    sample = sample_of(prompt, media, gold)
    if gold is None:
        return _told(reply_to(model, sample, max_new_tokens))
    batch = prepare_batch(model.adapter, [sample], max_new_tokens)
    judgement = judge(model.adapter, batch, model.switch)
    (reply,) = write(model.adapter, batch, judgement, model.switch, max_new_tokens)
    return _told(reply, judgement.content[0], judgement.stopping[0])


def sample_of(prompt: str, media: Shown | list[Shown] | None, gold: str | None) -> dict[str, Any]:
    """A row of a dataset table, as far as a model is shown it."""
    shown = [] if media is None else media_of(media)
    answers = [] if gold is None else [gold]
    kept = {"prompt": prompt, "media": [vars(medium) for medium in shown], "answers": answers, "choices": []}
    return {"sample_id": "of lode.answer", **kept}


def reply_to(model: Model, sample: dict[str, Any], max_new_tokens: int) -> Reply:
    """The greedy reply to a sample without a gold answer."""
    batch = encode(model.adapter, [sample])
    num_tokens = int(batch.inputs["attention_mask"].sum()) + max_new_tokens
    check_lengths(model.adapter, [sample], [num_tokens])
    with model.switch(batch.token_modality, [0]):
        (reply,) = generate(model.adapter, batch, max_new_tokens)
    return reply


def _told(reply: Reply, content: float | None = None, stopping: float | None = None) -> Answer:
    return Answer(reply.text, reply.num_tokens, reply.truncated, content, stopping)
