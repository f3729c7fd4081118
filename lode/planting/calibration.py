"""What every feed-forward layer of a model reads on real samples: the scale by which planted neurons are designed."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lode.model.adapter import Adapter
from lode.model.encoding import append_tokens, encode, token_kinds
from lode.model.gold import encode_gold
from lode.model.tokens import TOKEN_KINDS


@dataclass(frozen=True)
class LayerTokens:
    """One layer at every real token of some samples.

    Attributes:
        inputs: what the feed-forward layer reads, after its norm (token, hidden).
        rms: root mean square of the residual stream before that norm (token).
        modality: index into `TOKEN_KINDS` (token).
    """

    inputs: Float[Tensor, "token hidden"]
    rms: Float[Tensor, " token"]
    modality: Int[Tensor, " token"]

    def members(self, modality: str) -> Bool[Tensor, " token"]:
        """Which tokens are of a modality."""
        return self.modality == TOKEN_KINDS.index(modality)

    @property
    def unit(self) -> Float[Tensor, " token"]:
        """What a reserved channel reads as on its tokens: 1 on average, as the norm lets it be."""
        return 1 / self.rms / (1 / self.rms).mean()


@dataclass(frozen=True)
class Answered:
    """Prompts with their right answers appended: all tokens that a good model sees.

    Attributes:
        inputs: of the model; answers are padded on the right.
        gold_ids: the tokens of each answer.
        modality: index into `TOKEN_KINDS` of every token, -1 for padding.
    """

    inputs: dict[str, Tensor]
    gold_ids: list[list[int]]
    modality: Int[Tensor, "batch token"]


def with_answers(adapter: Adapter, rows: Sequence[dict[str, Any]]) -> Answered:
    """Encode records and their first answers."""
    prompts = encode(adapter, rows)
    gold_ids = encode_gold(adapter, prompts, rows)
    inputs = append_tokens(prompts, gold_ids, adapter.processor.tokenizer.pad_token_id)
    return Answered(inputs, gold_ids, token_kinds(adapter, inputs["input_ids"], inputs["attention_mask"], rows))


@torch.inference_mode()
def observe(adapter: Adapter, samples: Mapping[str, Sequence[dict[str, Any]]]) -> list[LayerTokens]:
    """Run the samples of every dataset, one batch each, and keep every layer's tokens.

    Args:
        adapter: a loaded Qwen2-VL.
        samples: records by dataset.
    """
    layers = adapter.model.model.language_model.layers
    kept: list[list[tuple[Tensor, Tensor]]] = [[] for _ in layers]
    codes: list[Tensor] = []

    def see(layer: int) -> Any:
        def hook(_module: Any, inputs: tuple[Tensor], normed: Tensor) -> None:
            real = codes[-1] >= 0
            kept[layer].append((normed[real], inputs[0][real].square().mean(-1).sqrt()))

        return hook

    with ExitStack() as stack:
        for layer, block in enumerate(layers):
            stack.callback(block.post_attention_layernorm.register_forward_hook(see(layer)).remove)
        for rows in samples.values():
            batch = with_answers(adapter, rows)
            codes.append(batch.modality)
            adapter.model(**batch.inputs, use_cache=False, logits_to_keep=1)
    modality = torch.cat([code[code >= 0] for code in codes])
    return [
        LayerTokens(torch.cat([inputs for inputs, _ in parts]), torch.cat([rms for _, rms in parts]), modality)
        for parts in kept
    ]
