"""What every layer would say to one prompt, and what the last token takes from where."""

from functools import partial

import pyarrow as pa

from lode.checks.names import check_positive
from lode.engine.tables import Table
from lode.grouping import Grouping, grouping_of
from lode.library.answering import sample_of
from lode.library.opening import Model
from lode.library.sections import choose
from lode.library.shown import Shown
from lode.model.lens import prove_lens
from lode.recording import flow as flow_recording
from lode.recording import lens as lens_recording
from lode.recording import prepare, record_batch
from lode.recording._traced import Traced, answered_prompts

#: What a table of one prompt leaves out: which run and sample a row is of.
RUN_COLUMNS = ("variant", "set_name", "kind", "control_of", "control_kind", "control_draw", "sample_id", "cluster_id")


def lens(
    model: Model,
    prompt: str,
    media: Shown | list[Shown] | None = None,
    gold: str | None = None,
    tokens_per_group: int = 10_000,
    grouping: str = "modality",
) -> pa.Table:
    """The logit lens on a prompt, under every switch that is on: a row a group of tokens and layer.

    Args:
        model: that of `lode.open`.
        prompt, media, gold: as of `lode.answer`; with a gold answer, its log-likelihood by layer at `last`.
        tokens_per_group: tokens of each group that are read, 1 or more, at most; which, a seed draws.
        grouping: the name of a YAML in `config/grouping/`: what groups there are.

    Returns:
        Columns as of the table `lens_samples`: entropy, kl_final, gold_logp [nats], top1, gold_rank, num_tokens.

    Raises:
        UserError: what `lode.answer` refuses, `tokens_per_group` below 1, or a model whose lens at the last layer is
            not its logits.
    """
    check_positive("tokens_per_group", tokens_per_group)
    compared = grouping_of(choose("grouping", grouping, ()).grouping)
    prove_once(model)
    recording = lens_recording.Lens(model.adapter, compared, tokens_per_group, 0, Traced(), None)
    return recorded(model, recording, lens_recording.TABLE, prompt, media, gold, compared)


def prove_once(model: Model) -> None:
    """Prove the lens of a model when it is first asked; of a probe, on which no switch but one by weights acts.

    Raises:
        UserError: the lens of the last states is not the model's logits.
    """
    if not model.lens_proved:
        with model.unswitched():
            prove_lens(model.adapter)
        model.lens_proved = True


def flow(model: Model, prompt: str, media: Shown | list[Shown] | None = None, grouping: str = "modality") -> pa.Table:
    """What the last token of a prompt takes from each group, under every switch that is on: a row a group and layer.

    Args:
        model: that of `lode.open`.
        prompt, media: as of `lode.answer`.
        grouping: the name of a YAML in `config/grouping/`: what groups there are.

    Returns:
        Columns as of the table `flow_samples`: mass, contribution_norm, share, num_tokens.

    Raises:
        UserError: what `lode.answer` refuses, or a model whose attention has no `o_proj`.
    """
    compared = grouping_of(choose("grouping", grouping, ()).grouping)
    recording = flow_recording.recording(model.adapter, compared)
    return recorded(model, recording, flow_recording.TABLE, prompt, media, None, compared)


def recorded(
    model: Model,
    recording: lens_recording.Lens | flow_recording.Flow,
    kind: Table,
    prompt: str,
    media: Shown | list[Shown] | None,
    gold: str | None,
    compared: Grouping,
) -> pa.Table:
    """One prompt in a recording, as a table of a kind without what is the same in every row."""
    sample = {**sample_of(prompt, media, gold), "cluster_id": ""}
    make = prepare if gold is None else answered_prompts
    prompts = make(model.adapter, [sample], compared, partial(model.switch, samples=[sample]))
    record_batch(model.adapter, prompts, [recording])
    return pa.table(recording.columns(), schema=kind.schema).drop_columns(list(RUN_COLUMNS))
