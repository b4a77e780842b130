"""Trains the tiny vision-language model of tiny_vlm.py to call what the embedded planner called.

    PYTHONPATH=ditto_models/vllm_cpu_shim .venv-vllm/bin/python -m tests.tiny_vlm_training OUT TRACES --family qwen3_vl

It runs in the vLLM environment, on one core, for about a minute. From the chat prompt to the assistant's tool call,
cross-entropy on the call alone. Two things make it small. A word of its tokenizer is a whole member of a JSON object,
so that a prompt of 7,000 letters is 290 tokens. And it is blind, as the rules are that it imitates: the vision tower
runs, but its last layers are zero, so any picture reads as blank tokens.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast, ProcessorMixin

from tests.tiny_vlm import END_OF_TURN, byte_tokenizer, save, tiny_model

MEMBERS = r"(?:[^,{}\[\]\n]*: [\[{])?[^,{}\[\]\n]*[,{}\[\]\n]+ ?"
"""A member of an object; what begins with a name and a bracket goes on to the first value inside."""
PIECES = 4000
STEPS, BATCH, LEARNING_RATE = 600, 8, 6e-3
IMAGE = "<|image_pad|>"
"""Shapes below: B prompts, T tokens, A tokens that are answered over the whole batch, V pieces of the vocabulary."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """Token ids of a prompt and of the answer to it, and the patches (time, height, width) of each picture."""

    prompt: list[int]
    answer: list[int]
    grids: list[list[int]]


def main() -> None:
    """Train, and write the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("traces", type=Path)
    parser.add_argument("--family", choices=["qwen2_5_vl", "qwen3_vl"], default="qwen3_vl")
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    rows = [json.loads(line) for line in arguments.traces.read_text().splitlines()]
    prompts, answers = _prompts(rows), [_answer(row) for row in rows]
    tokenizer = byte_tokenizer(prompts + answers, MEMBERS, PIECES)
    model, processor = tiny_model(arguments.family, tokenizer)
    _blind(model)
    sizes = [row["sizes"] for row in rows]
    examples = [_example(*one, processor) for one in zip(prompts, answers, sizes, strict=True)]
    train(model, examples, tokenizer, arguments.steps)
    save(model, processor, arguments.out)


def train(model: PreTrainedModel, examples: list[Example], tokenizer: PreTrainedTokenizerFast, steps: int) -> None:
    """Fit the language model, not the vision tower, to the answers."""
    weights = [weight for name, weight in model.named_parameters() if "visual" not in name]
    optimizer = torch.optim.AdamW(weights, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.1)
    order: list[Example] = []
    chance, started = random.Random(0), time.monotonic()
    for step in range(steps):
        if len(order) < BATCH:
            order = chance.sample(examples, len(examples))
        batch, order = order[:BATCH], order[BATCH:]
        loss = _loss(model, batch, tokenizer)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 49:
            print(f"step {step + 1}: loss {loss.item():.3f}, {time.monotonic() - started:.0f} s", flush=True)


def _loss(model: PreTrainedModel, batch: list[Example], tokenizer: PreTrainedTokenizerFast) -> Tensor:
    tokens_BT, answered_BT = _padded(batch, tokenizer.pad_token_id)
    is_picture_BT = tokens_BT == tokenizer.convert_tokens_to_ids(IMAGE)
    positions, _ = model.model.get_rope_index(
        input_ids=tokens_BT,
        mm_token_type_ids=is_picture_BT.int(),
        image_grid_thw=torch.tensor([grid for example in batch for grid in example.grids]),
    )
    embedded_BTC = model.get_input_embeddings()(tokens_BT) * ~is_picture_BT[..., None]
    hidden_BTC = model.model.language_model(
        inputs_embeds=embedded_BTC, position_ids=positions, use_cache=False
    ).last_hidden_state
    logits_AV = model.lm_head(hidden_BTC[:, :-1][answered_BT[:, 1:]])
    return torch.nn.functional.cross_entropy(logits_AV, tokens_BT[:, 1:][answered_BT[:, 1:]])


def _padded(batch: list[Example], pad: int) -> tuple[Tensor, Tensor]:
    """Tokens, padded on the right where a causal model's answers do not see it; and which belong to an answer."""
    length = max(len(example.prompt) + len(example.answer) for example in batch)
    tokens_BT = torch.full((len(batch), length), pad)
    answered_BT = torch.zeros(len(batch), length, dtype=torch.bool)
    for index, example in enumerate(batch):
        end = len(example.prompt) + len(example.answer)
        tokens_BT[index, :end] = torch.tensor(example.prompt + example.answer)
        answered_BT[index, len(example.prompt) : end] = True
    return tokens_BT, answered_BT


def _example(prompt: str, answer: str, sizes: list[list[int]], processor: ProcessorMixin) -> Example:
    pictures = [Image.new("RGB", (width, height)) for width, height in sizes]
    tokens = processor(text=[prompt], images=pictures)
    answered = processor.tokenizer(answer).input_ids
    return Example(prompt=tokens["input_ids"][0], answer=answered, grids=tokens["image_grid_thw"].tolist())


def _prompts(rows: list[dict[str, Any]]) -> list[str]:
    """What the server makes of messages and tools, one image token a picture."""
    template = byte_tokenizer([])
    return [
        template.apply_chat_template(row["messages"], tools=row["tools"], add_generation_prompt=True, tokenize=False)
        for row in rows
    ]


def _answer(row: dict[str, Any]) -> str:
    """The call as the server's grammar has it."""
    call = {"name": row["name"], "arguments": row["arguments"]}
    return f"<tool_call>\n{json.dumps(call)}\n</tool_call>{END_OF_TURN}"


def _blind(model: PreTrainedModel) -> None:
    """Make every picture's tokens zero: the vision tower's last layers have no weight."""
    tower = model.model.visual
    mergers = [tower.merger, *getattr(tower, "deepstack_merger_list", [])]
    with torch.no_grad():
        for merger in mergers:
            last = merger.linear_fc2 if hasattr(merger, "linear_fc2") else merger.mlp[-1]
            last.weight.zero_()
            last.bias.zero_()


if __name__ == "__main__":
    main()
