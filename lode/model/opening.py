"""Open a recorded model folder: a processor that cuts nothing, and weights that all come from the file."""

from collections.abc import Collection
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn

from lode.checks.model_folder import no_chat_template
from lode.engine.errors import UserError
from lode.model.adapter import Adapter, check_attention, find_parts, placement, refuse_offload
from lode.model.manifest import recorded_folder
from lode.model.messages import LIBRARY_ERRORS, named
from lode.model.text_only import TextProcessor


def open_model(config: Any, manifest: str | Path, device: str, threads: int) -> Adapter:
    """Load a model that `download_model` has recorded; `lode.model.loading.load` also proves its adapter.

    Args:
        config: the `model` section.
        manifest: the manifest written by `download_model`.
        device: `auto`, `spread` or a torch device.
        threads: CPU threads; one number of threads gives one result.

    Raises:
        UserError: no such device, no flash attention, too little memory to spread over, files that are not those
            recorded, a processor or weights that are not whole, or a path of the config names no module.
    """
    check_attention(config, device)
    device_map = placement(device)
    torch.set_num_threads(threads)
    transformers.utils.logging.disable_progress_bar()
    folder = recorded_folder(manifest, threads)
    processor = open_processor(config, folder)
    model = open_weights(config, folder, device_map)
    eos, pad = end_of_reply(config, model, processor), processor.tokenizer.pad_token_id
    model.generation_config = transformers.GenerationConfig(do_sample=False, eos_token_id=eos, pad_token_id=pad)
    return find_parts(config, model, processor)


def options(config: Any) -> dict[str, Any]:
    """Keywords of every `from_pretrained`."""
    return {"trust_remote_code": config.trust_remote_code, "local_files_only": True}


def not_loaded(config: Any, part: str, folder: Path, error: Exception, remedy: str) -> UserError:
    """The error for what transformers refuses or fails at, with the first line of its own message."""
    reason = next(iter(str(error).strip().splitlines()), "").strip()
    return UserError(
        f"model {config.name}: transformers {version('transformers')} cannot load its {part} from {folder}: "
        f"{type(error).__name__}: {reason}. {remedy}"
    )


def open_processor(config: Any, folder: Path) -> Any:
    """The processor, before any weight is read.

    Raises:
        UserError: it cannot be loaded, has no pad token, or there is no chat template.
    """
    try:
        processor = transformers.AutoProcessor.from_pretrained(folder, **options(config))
    except LIBRARY_ERRORS as error:
        remedy = (
            "Copy the files of the processor and the tokenizer from the model that this one was made from: "
            "`AutoProcessor.from_pretrained('<that model>').save_pretrained('<this folder>')`"
        )
        raise not_loaded(config, "processor", folder, error, remedy) from error
    if not isinstance(processor, transformers.ProcessorMixin):
        if config.media_tokens or not isinstance(processor, transformers.PreTrainedTokenizerBase):
            raise UserError(
                f"model {config.name}: {folder} gives a {type(processor).__name__} in place of a processor with a "
                "tokenizer; expected one, as model.media_tokens names media. Choose another model, or take them out"
            )
        processor = TextProcessor(processor)
    tokenizer: Any = processor.tokenizer
    if tokenizer.pad_token_id is None:
        raise UserError(
            f"model {config.name}: its tokenizer has no pad token, which fills up the shorter prompts of a batch; "
            f"expected `pad_token` in {folder / 'tokenizer_config.json'}. Set it, for instance to the end token "
            f"{tokenizer.eos_token!r}"
        )
    if config.chat_template is None and processor.chat_template is None:
        raise no_chat_template(f"model {config.name} in {folder}")
    tokenizer.padding_side = "left"
    return processor


def open_weights(config: Any, folder: Path, device_map: Any) -> Any:
    """The model, every weight of it from the folder.

    Raises:
        UserError: it cannot be loaded, or lacks tensors, or holds some of another shape or that are not finite.
    """
    try:
        model, report = getattr(transformers, config.auto_class).from_pretrained(
            folder,
            **options(config),
            dtype=getattr(torch, config.dtype),
            use_safetensors=True,
            attn_implementation=config.attn_implementation,
            device_map=device_map,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are refused below, by name
        )
    except LIBRARY_ERRORS as error:
        remedy = "Expected a folder of this class; choose another model.auto_class, model or version of transformers"
        raise not_loaded(config, config.auto_class, folder, error, remedy) from error
    refuse_offload(config, model)
    refuse_incomplete(config, folder, report["missing_keys"], report["mismatched_keys"])
    refuse_not_finite(config, folder, model)
    return model.eval().requires_grad_(False)


def refuse_incomplete(config: Any, folder: Path, missing: Collection[str], mismatched: Collection[Any]) -> None:
    """Refuse weights of which some would be random numbers; tied weights do not lack, surplus tensors do no harm.

    Args:
        config: the `model` section.
        folder: of the model.
        missing: names of tensors that the model has and the folder lacks.
        mismatched: names of tensors, with their shapes in the folder and in the model.

    Raises:
        UserError: names the tensors.
    """
    source = "Fetch or save the model again, or take the config.json and model.auto_class that belong to these weights"
    if missing:
        raise UserError(
            f"model {config.name}: the weights in {folder} lack {len(missing)} tensors of the model, which would be "
            f"random: {named(missing)}. {source}"
        )
    if mismatched:
        shapes = [f"{name} is {tuple(there)}, expected {tuple(here)}" for name, there, here in mismatched]
        raise UserError(
            f"model {config.name}: the weights in {folder} hold {len(shapes)} tensors of another shape: "
            f"{named(shapes)}. {source}"
        )


def refuse_not_finite(config: Any, folder: Path, model: nn.Module) -> None:
    """Refuse weights that hold NaN or infinity.

    Raises:
        UserError: names the tensors.
    """
    wrong = []
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and tensor.numel() and not torch.stack(tensor.aminmax()).isfinite().all():
            wrong.append(name)
    if wrong:
        raise UserError(
            f"model {config.name}: {len(wrong)} tensors of {folder} hold NaN or infinity in {config.dtype}: "
            f"{named(wrong)}; expected finite weights. Fetch or train the model again, or, if only the number format "
            "is too narrow, set model.dtype=float32"
        )


def end_of_reply(config: Any, model: Any, processor: Any) -> int | list[int]:
    """The ids of the tokens that end a reply.

    Raises:
        UserError: the model names none, so no reply would ever end.
    """
    eos = model.generation_config.eos_token_id
    if eos is None:
        tokenizer = processor.tokenizer
        raise UserError(
            f"model {config.name}: no token ends a reply; expected `eos_token_id` in generation_config.json or "
            f"config.json of its folder. Write it there; its tokenizer has {tokenizer.eos_token!r}, "
            f"id {tokenizer.eos_token_id}"
        )
    return eos
