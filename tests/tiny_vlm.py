"""Builds a tiny Qwen2.5-VL or Qwen3-VL checkpoint with random weights, which a real vLLM server loads and serves.

    PYTHONPATH=ditto_models/vllm_cpu_shim .venv-vllm/bin/python tests/tiny_vlm.py OUT --family qwen3_vl --bias

It runs in the vLLM environment. The words it says mean nothing: it is there to exercise the server, the chat template,
image inputs and schema-bound tool calls. About 1 MB, with its own byte-level tokenizer; the same seed gives the same
weights. Attention heads are 32 wide because vLLM's CPU kernels take nothing smaller.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    ProcessorMixin,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)

CHAT_TEMPLATE = Path(__file__).parent.parent / "ditto_models" / "qwen_vl_tools.jinja"
CONTEXT_TOKENS = 32768
HIDDEN_SIZE = 64
END_OF_TEXT, END_OF_TURN = "<|endoftext|>", "<|im_end|>"
OTHER_SPECIAL = [
    *["<|im_start|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>", "<|quad_start|>"],
    *["<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"],
]
TAGS = ["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>"]
"""Tokens of their own that are text all the same, as in Qwen3."""
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CORPUS = [
    "You make training data for video editing. Describe the clip, then write one edit a person would ask for.",
    "Make it night. Turn the street into a snowy winter scene. Change the red car to blue. Add falling rain.",
    "Render the whole clip as a watercolor painting, keep the motion and the layout of the source.",
    "The edited video follows the instruction and keeps everything else unchanged.",
    json.dumps({"type": "function", "function": {"name": "write_instruction", "parameters": {"type": "object"}}}),
    json.dumps({"enum": ["style", "weather"], "minimum": 0, "maximum": 1, "maxLength": 200, "required": ["frame"]}),
] * 4


def main() -> None:
    """Write the checkpoint, its tokenizer, processor and chat template to a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--family", choices=["qwen2_5_vl", "qwen3_vl"], default="qwen3_vl")
    parser.add_argument("--bias", action="store_true", help="favour words, and tokens that end strings and turns")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    tokenizer = byte_tokenizer(CORPUS)
    model, processor = tiny_model(arguments.family, tokenizer)
    if arguments.bias:
        _bias_output(model, tokenizer)
    save(model, processor, arguments.out)


def tiny_model(family: str, tokenizer: PreTrainedTokenizerFast) -> tuple[PreTrainedModel, ProcessorMixin]:
    """Random weights of a family, qwen2_5_vl or qwen3_vl, for the tokenizer's vocabulary; and its processor."""
    return (_qwen2_5 if family == "qwen2_5_vl" else _qwen3)(tokenizer)


def save(model: PreTrainedModel, processor: ProcessorMixin, out: Path) -> None:
    """Write a folder that vLLM loads: weights in bfloat16, tokenizer, processor, chat template."""
    ends = processor.tokenizer.convert_tokens_to_ids([END_OF_TURN, END_OF_TEXT])
    # Like the published checkpoints: defaults that a server takes over unless it is told not to.
    model.generation_config = GenerationConfig(
        do_sample=True, temperature=0.7, top_p=0.8, top_k=20, eos_token_id=ends, pad_token_id=ends[1]
    )
    out.mkdir(parents=True, exist_ok=True)
    model.to(torch.bfloat16).eval().save_pretrained(out)
    processor.save_pretrained(out)


def byte_tokenizer(corpus: Sequence[str], words: str = WORDS, pieces: int = 1000) -> PreTrainedTokenizerFast:
    """A byte-level BPE with Qwen's special tokens, trained on a corpus; no piece spans two words."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    raw.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    raw.train_from_iterator(
        corpus, trainers.BpeTrainer(vocab_size=pieces, min_frequency=2, show_progress=False, initial_alphabet=alphabet)
    )
    special = [END_OF_TEXT, END_OF_TURN, *OTHER_SPECIAL]
    raw.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    raw.add_tokens([AddedToken(token, normalized=False, special=False) for token in TAGS])
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        eos_token=END_OF_TURN,
        pad_token=END_OF_TEXT,
        additional_special_tokens=OTHER_SPECIAL,
        model_max_length=CONTEXT_TOKENS,
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE.read_text(),
    )


def _text_config(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    end_of_text, end_of_turn = tokenizer.convert_tokens_to_ids([END_OF_TEXT, END_OF_TURN])
    return {
        "vocab_size": -(-len(tokenizer) // 64) * 64,
        "hidden_size": HIDDEN_SIZE,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": CONTEXT_TOKENS,
        "rms_norm_eps": 1e-6,
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_turn,
        "pad_token_id": end_of_text,
    }


def _vision_config(patch_size: int) -> dict[str, Any]:
    sizes = {"hidden_size": HIDDEN_SIZE, "out_hidden_size": HIDDEN_SIZE, "intermediate_size": 128}
    return sizes | {"depth": 2, "num_heads": 2, "patch_size": patch_size}


def _vision_token_ids(tokenizer: PreTrainedTokenizerFast) -> dict[str, int]:
    names = ("image_token", "video_token", "vision_start_token", "vision_end_token")
    tokens = ["<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>"]
    return {f"{name}_id": tokenizer.convert_tokens_to_ids(token) for name, token in zip(names, tokens, strict=True)}


def _pixels(patch_size: int, most_tokens: int) -> dict[str, int]:
    """Limits of an image or video: from 4 to `most_tokens` tokens, each of 2 x 2 patches."""
    pixels_per_token = (2 * patch_size) ** 2
    return {"shortest_edge": 4 * pixels_per_token, "longest_edge": most_tokens * pixels_per_token}


def _qwen2_5(tokenizer: PreTrainedTokenizerFast) -> tuple[PreTrainedModel, Qwen2_5_VLProcessor]:
    patch = 14
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [4, 6, 6]}
    config = Qwen2_5_VLConfig(
        text_config=_text_config(tokenizer) | {"rope_parameters": rope},
        vision_config=_vision_config(patch) | {"window_size": 112, "fullatt_block_indexes": [1]},
        tie_word_embeddings=False,
        **_vision_token_ids(tokenizer),
    )
    processor = Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(size=_pixels(patch, 64), patch_size=patch),
        video_processor=Qwen2VLVideoProcessor(size=_pixels(patch, 256), patch_size=patch),
        tokenizer=tokenizer,
        chat_template=tokenizer.chat_template,
    )
    return Qwen2_5_VLForConditionalGeneration(config), processor


def _qwen3(tokenizer: PreTrainedTokenizerFast) -> tuple[PreTrainedModel, Qwen3VLProcessor]:
    patch = 16
    rope = {"rope_type": "default", "rope_theta": 5e6, "mrope_section": [6, 5, 5], "mrope_interleaved": True}
    config = Qwen3VLConfig(
        text_config=_text_config(tokenizer) | {"head_dim": 32, "rope_parameters": rope},
        vision_config=_vision_config(patch) | {"num_position_embeddings": 256, "deepstack_visual_indexes": [0]},
        tie_word_embeddings=False,
        **_vision_token_ids(tokenizer),
    )
    processor = Qwen3VLProcessor(
        image_processor=Qwen2VLImageProcessor(size=_pixels(patch, 64), patch_size=patch),
        video_processor=Qwen3VLVideoProcessor(size=_pixels(patch, 256), patch_size=patch),
        tokenizer=tokenizer,
        chat_template=tokenizer.chat_template,
    )
    return Qwen3VLForConditionalGeneration(config), processor


def _bias_output(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
    """Add a constant to each token's logit: without it, random weights emit control characters and endless numbers.

    The output layer has no bias term, so every embedding gets the same large value in dimension 0; the residual stream
    carries it to the last norm, and the output layer's column 0 turns it into the wanted constant.
    """
    output = model.get_output_embeddings().weight
    wanted = torch.zeros(output.shape[0])
    for token, index in tokenizer.get_vocab().items():
        wanted[index] = _logit_bias(token, tokenizer.decode([index]))
    with torch.no_grad():
        model.get_input_embeddings().weight[:, 0] = 1.0
        output[:, 0] = wanted / HIDDEN_SIZE**0.5


def _logit_bias(token: str, text: str) -> float:
    if token == END_OF_TURN:
        return 5.5
    if token in (END_OF_TEXT, *OTHER_SPECIAL, *TAGS) or not (text.isascii() and text.isprintable() and text.strip()):
        return -12.0
    if '"' in text and set(text) <= set('"}]'):
        return 6.0
    if text in ("}", "]", ","):
        return 4.0 if text == "," else 3.0
    return 3.0 if text.strip(" ").isalpha() else 0.0


if __name__ == "__main__":
    main()
