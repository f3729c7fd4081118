"""Tiny models of families that see, each with an encoder and a markup of its own."""

from typing import Any

import transformers as hf

from tests.families.parts import TEXT, VISION, chatml, ids, template, tokenizer


def instructblip() -> tuple[Any, Any]:
    """A Q-Former with a tokenizer of its own reads the prompt and the image; no chat markup."""
    words = tokenizer(("<unk>", "</s>", "[PAD]", "<image>"), pad="[PAD]", end="</s>", begin="</s>")
    marks = ids(words, bos_token_id="</s>", eos_token_id="</s>", pad_token_id="[PAD]")
    asked = tokenizer(("[PAD]", "[CLS]", "[SEP]"), pad="[PAD]", end="[SEP]", begin="[CLS]")
    asked.padding_side = "right"
    small = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = hf.InstructBlipConfig(
        text_config={**TEXT, "model_type": "llama", "vocab_size": len(words), **marks},
        vision_config=VISION,
        qformer_config={**small, "vocab_size": len(asked), "cross_attention_frequency": 1, "pad_token_id": 0},
        num_query_tokens=3,
        **ids(words, image_token_index="<image>"),
    )
    processor = hf.InstructBlipProcessor(
        image_processor=hf.BlipImageProcessor(size={"height": 28, "width": 28}),
        tokenizer=words,
        qformer_tokenizer=asked,
        num_query_tokens=3,
    )
    return hf.InstructBlipForConditionalGeneration(config), processor


def gemma3() -> tuple[Any, Any]:
    """Sliding and full attention, image tokens that see each other, scaled embeddings."""
    marks = ("<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>", "<image_soft_token>")
    names = {"boi_token": marks[2], "eoi_token": marks[3], "image_token": marks[4]}
    words = tokenizer(("<pad>", "<eos>", "<bos>", *marks), pad="<pad>", end="<eos>", begin="<bos>", **names)
    config = hf.Gemma3Config(
        text_config={
            **TEXT,
            "vocab_size": len(words),
            "layer_types": ["sliding_attention", "full_attention"],
            "sliding_window": 16,
            "query_pre_attn_scalar": 8,
        },
        vision_config={**VISION, "image_size": 56, "vision_use_head": False},
        mm_tokens_per_image=4,
        **ids(words, boi_token_index=marks[2], eoi_token_index=marks[3], image_token_index=marks[4]),
        tie_word_embeddings=False,
    )
    processor = hf.Gemma3Processor(
        image_processor=hf.Gemma3ImageProcessor(size={"height": 56, "width": 56}),
        tokenizer=words,
        image_seq_length=4,
        chat_template=template(
            "<start_of_turn>ROLE\n",
            "<end_of_turn>\n",
            "<start_of_turn>model\n",
            {"image": "<start_of_image>"},
            begin="<bos>",
        ),
    )
    return hf.Gemma3ForConditionalGeneration(config), processor


def internvl() -> tuple[Any, Any]:
    """Images in tiles, videos as images, one and the same token for both."""
    marks = ("<img>", "</img>", "<IMG_CONTEXT>", "<video>")
    names = dict(
        zip(("start_image_token", "end_image_token", "context_image_token", "video_token"), marks, strict=True)
    )
    chat = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    words = tokenizer((*chat, *marks), pad="<|endoftext|>", end="<|im_end|>", **names)
    ends = ids(words, bos_token_id="<|endoftext|>", eos_token_id="<|im_end|>", pad_token_id="<|endoftext|>")
    config = hf.InternVLConfig(
        text_config={**TEXT, "model_type": "qwen2", "vocab_size": len(words), **ends},
        vision_config={**VISION, "image_size": [28, 28], "patch_size": [14, 14]},
        image_seq_length=1,
        **ids(words, image_token_id="<IMG_CONTEXT>"),
    )
    size = {"height": 28, "width": 28}
    processor = hf.InternVLProcessor(
        image_processor=hf.GotOcr2ImageProcessor(size=size, max_patches=3),
        tokenizer=words,
        video_processor=hf.InternVLVideoProcessor(size=size),
        image_seq_length=1,
        chat_template=chatml(image="<IMG_CONTEXT>\n", video="<video>\n"),
    )
    return hf.InternVLForConditionalGeneration(config), processor


def idefics3() -> tuple[Any, Any]:
    """Images in tiles, named by row and column in plain text."""
    marks = ("<|begin_of_text|>", "<end_of_utterance>", "<fake_token_around_image>", "<image>")
    words = tokenizer(("<|endoftext|>", *marks), pad="<|endoftext|>", end=marks[1], begin=marks[0])
    ends = ids(words, bos_token_id=marks[0], eos_token_id=marks[1], pad_token_id="<|endoftext|>")
    config = hf.Idefics3Config(
        text_config={**TEXT, "model_type": "llama", "vocab_size": len(words), **ends},
        vision_config=VISION,
        scale_factor=2,
        **ids(words, image_token_id="<image>"),
    )
    processor = hf.Idefics3Processor(
        image_processor=hf.Idefics3ImageProcessor(size={"longest_edge": 56}, max_image_size={"longest_edge": 28}),
        tokenizer=words,
        image_seq_len=1,
        chat_template=template("User: ", "<end_of_utterance>\n", "Assistant:", {"image": "<image>"}, begin=marks[0]),
    )
    return hf.Idefics3ForConditionalGeneration(config), processor
