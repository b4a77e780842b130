"""What Wan's text encoder (UMT5-XXL, 11 GB) makes of prompts; each prompt is encoded once.

The pipelines of diffusers would do it too, but only where the package ftfy is installed, and at every call.
Shape suffixes: B one prompt, L tokens, D dimensions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ditto_models.executors.of_call import note
from ditto_models.gpu.recent import Recent

if TYPE_CHECKING:
    import torch

MOST_TOKENS = 512
"""As in training; a longer prompt is cut."""
MOST_KEPT = 16
"""Prompts whose embeddings are kept, 4 MB each in bfloat16."""


class WanPrompts:
    """Embeddings of the last few prompts, kept in the computer's memory."""

    def __init__(self) -> None:
        self._kept: Recent[str, torch.Tensor] = Recent(MOST_KEPT)

    def embeds(self, tokenizer: Any, text_encoder: Any, prompt: str, device: Any) -> torch.Tensor:
        """As `encoded`, or as kept."""
        return self._kept.get(prompt, lambda: encoded(tokenizer, text_encoder, prompt, device))


def encoded(tokenizer: Any, text_encoder: Any, prompt: str, device: Any) -> torch.Tensor:
    """What the network reads of a prompt, BLD on the CPU, zero after its last token; encoded on `device`."""
    import torch

    words = " ".join(prompt.split())
    if (length := len(tokenizer(words).input_ids)) > MOST_TOKENS:
        note(f"a prompt of {length} tokens was cut at {MOST_TOKENS}: {words[:60]!r}...")
    tokens = tokenizer(words, padding="max_length", max_length=MOST_TOKENS, truncation=True, return_tensors="pt")
    with torch.no_grad():
        outputs = text_encoder(tokens.input_ids.to(device), tokens.attention_mask.to(device))
    embeds_BLD = outputs.last_hidden_state.cpu()
    kept_BLD: torch.Tensor = embeds_BLD * tokens.attention_mask[..., None].to(embeds_BLD.dtype)
    return kept_BLD
