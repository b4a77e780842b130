"""Sentence vectors on the CPU: bge-small-en-v1.5, int8 ONNX.

Source: Xiao et al., C-Pack: Packed Resources For General Chinese Embeddings, 2023 (BAAI/bge-small-en-v1.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ditto_models import assets

COMMON = (
    "Turn the scene into a snowy winter day.",
    "Make the whole video look like a watercolour painting.",
    "Change the colour of the main subject to red.",
    "Replace the background with a sunny beach.",
    "Give the clip a cold teal colour grade.",
    "Add a hat to the person on the left.",
    "Remove the car from the street.",
    "Let it rain at night.",
    "Show the scene at golden hour.",
    "Render everything as a pencil sketch.",
)
"""What instructions have in common: the mean of these vectors is taken away, so that what is left tells them apart."""


class BgeSmallEmbedderConfig(BaseModel):
    """How to run the embedder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threads: int = Field(default=1, ge=1)
    """Threads of one call; many callers share the machine."""
    max_tokens: int = Field(default=128, ge=8, le=512)
    """What lies beyond is cut off."""
    centred: bool = True
    """Take the mean of common instructions away: raw vectors of unrelated texts have a cosine of about .55."""


class BgeSmallEmbedder:
    """TextEmbedder: CLS vectors, centred on what all edit instructions share. Any thread may call it."""

    name = "bge-small-en-v1.5-int8"
    dimensions = 384

    def __init__(self, config: BgeSmallEmbedderConfig | None = None) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        self.config = config or BgeSmallEmbedderConfig()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.config.threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(assets.ensure("bge-small-model")), options, providers=["CPUExecutionProvider"]
        )
        self._inputs = {each.name for each in self._session.get_inputs()}
        self._tokenizer = Tokenizer.from_file(str(assets.ensure("bge-small-tokenizer")))
        self._tokenizer.enable_truncation(self.config.max_tokens)
        # A text's vector must not depend on its neighbours: int8 activations are scaled by the whole batch.
        self._tokenizer.no_padding()

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, ND float32, in the order of the texts; a text always has the same vector."""
        raw = self._raw(texts)
        return _unit(raw - self._mean) if self.config.centred and len(texts) else raw

    def _raw(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        for index, text in enumerate(texts):
            vectors[index] = self._first_token(text)
        return _unit(vectors)

    def _first_token(self, text: str) -> NDArray[np.float32]:
        tokens = self._tokenizer.encode(text)
        rows = {"input_ids": tokens.ids, "attention_mask": tokens.attention_mask, "token_type_ids": tokens.type_ids}
        feed = {name: np.array([row], np.int64) for name, row in rows.items() if name in self._inputs}
        hidden = np.asarray(self._session.run(None, feed)[0], np.float32)
        first: NDArray[np.float32] = hidden[0, 0]
        return first

    @cached_property
    def _mean(self) -> NDArray[np.float32]:
        # Two threads may both compute it on their first call: the same value, at worst twice.
        mean: NDArray[np.float32] = self._raw(COMMON).mean(axis=0)
        return mean


def _unit(vectors_ND: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (vectors_ND / np.maximum(lengths, 1e-12)).astype(np.float32)
    return unit
