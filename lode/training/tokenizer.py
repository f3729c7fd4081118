"""A small byte-level BPE, trained on the training text, with special tokens of its family."""

from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

PAD, END = "<|endoftext|>", "<|im_end|>"


def build_tokenizer(
    corpus: Iterable[str], vocab_size: int, special_tokens: Sequence[str], pad: str = PAD, end: str = END
) -> PreTrainedTokenizerFast:
    """Train a tokenizer; equal text gives an equal vocabulary. `special_tokens` hold `pad` and `end`."""
    return PreTrainedTokenizerFast(
        tokenizer_object=train_bpe(corpus, vocab_size, special_tokens),
        eos_token=end,
        pad_token=pad,
        additional_special_tokens=[token for token in special_tokens if token not in (pad, end)],
        padding_side="left",
        model_max_length=4096,
    )


def train_bpe(corpus: Iterable[str], vocab_size: int, special_tokens: Sequence[str]) -> Tokenizer:
    """Train the merges; every byte is a token, and so is every special token, from 0 on."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(special_tokens),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def begin_with(tokenizer: PreTrainedTokenizerFast, begin: str, end: str = "") -> None:
    """Let every text begin, and end, with a special token of the tokenizer, as those of Vicuna and BERT do."""
    ids = [(token, tokenizer.convert_tokens_to_ids(token)) for token in (begin, end) if token]
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}".strip(), special_tokens=ids
    )
