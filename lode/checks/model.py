"""Refuse a model that cannot be loaded, prompts that would be cut, and a device that there is not."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib.metadata import version
from typing import Any

from lode.checks.model_folder import check_chat_template, local_folder
from lode.checks.names import check_name, check_positive
from lode.checks.parts import check_parts
from lode.engine.errors import UserError, unknown_name
from lode.engine.paths import is_local
from lode.media.medium import VIDEO_FRAMES
from lode.model.tokens import MEDIA

DTYPES = ("float32", "bfloat16", "float16")

DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?|spread")

ATTENTIONS = ("sdpa", "eager", "flash_attention_2")

#: Arguments of a processor's call; it ignores any other with a mere warning.
PROCESSOR_PARTS = ("text_kwargs", "images_kwargs", "videos_kwargs", "audio_kwargs")

#: Ways to read the mask of a site (`lode/model/masks.py`).
MASK_KINDS = ("entries", "anyres")

#: Options of a tokenizer that would cut prompts or pad them.
CUTS = ("max_length", "padding", "stride", "truncation")


def check_model(cfg: Any) -> None:
    """Refuse a model folder that cannot be loaded, an unknown medium or number format, and prompts that are cut."""
    model = cfg.model
    if model.parts:
        check_parts(model)
    elif is_local(model.source):
        folder = local_folder(model.source, takes_media=bool(model.media_tokens))
        check_chat_template(folder, f"model.source {model.source!r}", model.chat_template)
    for medium in model.media_tokens:
        check_name("medium of a model", medium, MEDIA)
    for medium in (*model.towers, *model.required_media):
        check_name("medium without a token in model.media_tokens", medium, set(model.media_tokens) or {"(none)"})
    for part in model.processor:
        check_name("part of model.processor", part, PROCESSOR_PARTS)
    for option in set(CUTS) & set(model.processor.get("text_kwargs") or ()):
        raise UserError(
            f"model.processor.text_kwargs.{option} = {model.processor.text_kwargs[option]}: a prompt is never cut or "
            "padded to a length; take the option out. What is longer than the model's context is refused by name"
        )
    check_masks(model.sites)
    check_auto_class(model.auto_class)
    for key, known in (("dtype", DTYPES), ("attn_implementation", ATTENTIONS), ("video_frames", VIDEO_FRAMES)):
        check_name(f"model.{key}", model[key], known)
    if model.attn_implementation == "flash_attention_2" and model.dtype == "float32":
        raise UserError(
            "model.attn_implementation = flash_attention_2 and model.dtype = float32: flash attention computes in half "
            "precision only; set model.dtype=bfloat16, or model.attn_implementation=sdpa"
        )


def check_masks(sites: Mapping[str, Any]) -> None:
    """Refuse a way to read the mask of a site that there is not, that lacks the mask, or that has no use for a fact."""
    for name, site in sites.items():
        check_name(f"model.sites.{name}.mask_kind", site.mask_kind, MASK_KINDS)
        if site.mask is None and (site.mask_kind, site.mask_first) != ("entries", 0):
            raise UserError(
                f"model.sites.{name}: mask_kind = {site.mask_kind}, mask_first = {site.mask_first} and no mask; "
                "expected the model's input that says which rows are no padding. Set mask, or take both out"
            )
        if site.mask_kind == "anyres" and site.mask_first:
            raise UserError(
                f"model.sites.{name}.mask_first = {site.mask_first} with mask_kind: anyres, which has sizes of "
                "pictures and no entries of rows; expected 0. Take it out of the model's YAML"
            )


def check_auto_class(name: str) -> None:
    """Refuse a class that transformers has not; its names are known before torch is imported."""
    if name not in known_classes():
        kinds = re.compile(r"AutoModelFor.*|.*For(ConditionalGeneration|CausalLM)")
        near = get_close_matches(name, filter(kinds.fullmatch, known_classes()), n=5, cutoff=0.4)
        remedy = f"It is a class of transformers {version('transformers')}; newer models need a newer version."
        raise unknown_name("model.auto_class", name, near or ["AutoModelForImageTextToText"], remedy)


@cache
def known_classes() -> tuple[str, ...]:
    """The names that transformers exports."""
    import transformers  # half a second, for the steps with a model only

    return tuple(dir(transformers))


def check_runtime(cfg: Any) -> None:
    """Refuse an unknown device."""
    check_positive("runtime.threads", cfg.runtime.threads)
    if not DEVICE.fullmatch(cfg.runtime.device):
        raise UserError(
            f"runtime.device = {cfg.runtime.device!r}: expected auto, cpu, cuda, cuda:<index>, mps or spread"
        )
