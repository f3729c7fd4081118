"""Recordings: one file each. What is kept of the forward passes of samples, as sums that merge.

A plug-in `lode/recording/<name>.py` has one public function and one fact::

    TABLE                                        # the table that its columns are of (`lode/table/`)
    recording(adapter, grouping, **options)      # -> a `Recording`, empty

It says what it sees, what it keeps and what that costs. Of every batch it makes a `Draft`: what it wants to be shown
(`Views`: attention with queries, keys and values, activations of a site and what their readers read, residual states)
in the one pass over the prompts that all who watch share; passes of its own, forwards or backwards, if it has any; and
how the batch is added. A new recording touches no other file here.

All run clean, or under a switch, which is around every pass of a batch. A switch that replaces activations has acted
when they are shown. One that zeroes what neurons write has not: their own activations are as before, and all that
comes after them is changed.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from lode.grouping import Grouping
from lode.importance.miner import membership
from lode.model.adapter import Adapter
from lode.model.attention import Observer
from lode.model.batching import in_batches
from lode.model.encoding import Batch, encode
from lode.model.head import last_positions
from lode.model.switching import Switch, untouched
from lode.model.watching import HiddenWatcher, StatesWatcher, Watcher, watching


@dataclass(frozen=True)
class Prompts:
    """A batch of samples, ready for every recording.

    Attributes:
        samples: rows of a dataset table.
        rows: their places among all samples that are recorded.
        batch: the model's inputs, and the kind of every token.
        codes: what every token is in the grouping; -1: nothing, as padding.
        members: which tokens belong to which group.
        num_samples: samples that hold each group (group).
        num_tokens: tokens of each group (group).
        switch: what every pass over these samples runs under.
    """

    samples: Sequence[Mapping[str, Any]]
    rows: range
    batch: Batch
    codes: Int[Tensor, "batch token"]
    members: Bool[Tensor, "batch group token"]
    num_samples: Int[np.ndarray, "group"]
    num_tokens: Int[np.ndarray, "group"]
    switch: Switch

    def switched(self, kinds: Int[Tensor, "batch token"]) -> AbstractContextManager[None]:
        """The context of the switch, given what every token of a pass is."""
        return self.switch(kinds, self.rows)


@dataclass(frozen=True)
class Views:
    """What a recording is shown of the pass that all share; the fields are those of `watching`. It may change nothing.

    Attributes:
        attention: is shown the attention of the language model.
        activations: by site, what is shown the activations.
        hidden: by site, what is shown the inputs of the readers.
        states: is shown the residual states.
    """

    attention: Observer | None = None
    activations: Mapping[str, Watcher] = field(default_factory=dict)
    hidden: Mapping[str, HiddenWatcher] = field(default_factory=dict)
    states: StatesWatcher | None = None


@dataclass(frozen=True)
class Draft:
    """What a recording does with one batch.

    Attributes:
        add: adds the batch, at once; called when every recording is done with the batch, so it must not fail.
        views: what it is shown in the shared pass; None: nothing, and where nobody is shown anything there is none.
        finish: called after the shared pass, for passes of its own and for checks: all else that may fail.
    """

    add: Callable[[], None]
    views: Views | None = None
    finish: Callable[[], None] | None = None


@runtime_checkable
class Recording(Protocol):
    """State that grows by batches."""

    def begin(self, prompts: Prompts) -> Draft:
        """What it does with a batch. A batch that is not added leaves nothing behind."""

    def columns(self) -> dict[str, Any]:
        """The columns of its table, of all samples."""

    def facts(self) -> Mapping[str, object]:
        """Numbers to be recorded of the making of its table."""


def record(
    adapter: Adapter,
    samples: Sequence[Mapping[str, Any]],
    batch_size: int,
    recordings: Sequence[Recording],
    grouping: Grouping,
    switch: Switch = untouched,
    title: str = "",
) -> int:
    """Record all samples, each batch in all recordings or in none.

    Args:
        adapter: the model.
        samples: rows of a dataset table.
        batch_size: how many at once to begin with.
        recordings: what is kept; they share one pass over the prompts of a batch.
        grouping: what tokens are told apart.
        switch: what all passes run under, given the kinds of their tokens and the places of theirs in `samples`.
        title: what the progress bar says.

    Returns:
        The batch size in the end; it changes no sum but by rounding.

    Raises:
        UserError: a sample that does not fit alone, or that `encode` or a recording refuses.
    """
    num_done = 0

    def work(part: Sequence[Mapping[str, Any]]) -> None:
        nonlocal num_done
        record_batch(adapter, prepare(adapter, part, grouping, switch, num_done), recordings)
        num_done += len(part)

    return in_batches(samples, batch_size, work, title)[1]


def prepare(
    adapter: Adapter,
    samples: Sequence[Mapping[str, Any]],
    grouping: Grouping,
    switch: Switch = untouched,
    first: int = 0,
) -> Prompts:
    """Encode a batch, whose first sample is at place `first` of all; arguments and errors are those of `record`."""
    batch = encode(adapter, samples)
    codes = grouping.codes_of(batch.token_kind, samples)
    members, rows = membership(codes, grouping), range(first, first + len(samples))
    num_samples, num_tokens = members.any(-1).sum(0).cpu().numpy(), members.sum((0, 2)).cpu().numpy()
    return Prompts(samples, rows, batch, codes, members, num_samples, num_tokens, switch)


def record_batch(adapter: Adapter, prompts: Prompts, recordings: Sequence[Recording]) -> None:
    """Record one batch: the pass that all share, then passes of their own, and then, when nothing failed, add it."""
    drafts = [recording.begin(prompts) for recording in recordings]
    shown = [draft.views for draft in drafts if draft.views is not None]
    if shown:
        shared_pass(adapter, prompts, shown)
    for draft in drafts:
        if draft.finish is not None:
            draft.finish()
    with torch.inference_mode():  # sums of the shared pass are added in place
        for draft in drafts:
            draft.add()


@torch.inference_mode()
def shared_pass(adapter: Adapter, prompts: Prompts, shown: Sequence[Views]) -> None:
    """One forward pass over the prompts, shown to all who watch, in their order."""
    attention = [views.attention for views in shown if views.attention is not None]
    states = [views.states for views in shown if views.states is not None]
    with (
        prompts.switched(prompts.batch.token_kind),
        watching(
            adapter,
            in_order(attention) if attention else None,
            by_site([views.activations for views in shown]),
            by_site([views.hidden for views in shown]),
            in_order(states) if states else None,
        ),
        last_positions(adapter, 1),
    ):
        adapter.model(**prompts.batch.inputs, use_cache=False)


def by_site(watchers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of every site that somebody watches one function that shows it to all of them."""
    sites = dict.fromkeys(name for each in watchers for name in each)
    return {name: in_order([each[name] for each in watchers if name in each]) for name in sites}


def in_order(functions: Sequence[Callable[..., None]]) -> Callable[..., None]:
    """One function that calls several."""
    return functions[0] if len(functions) == 1 else partial(call_each, functions)


def call_each(functions: Sequence[Callable[..., None]], *seen: Any) -> None:
    """Call functions with the same arguments, in order."""
    for function in functions:
        function(*seen)
