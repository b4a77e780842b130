"""What a *.safetensors file holds, by its header alone: names, types, shapes and bytes of its tensors.

The format: 8 bytes little-endian length of a JSON header, the header, then the tensors
(https://github.com/huggingface/safetensors). No library is needed to read that much, and no weight is touched.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from ditto_models.gpu.cannot_load import CannotLoad

LONGEST_HEADER = 100_000_000
"""Bytes; the format's own limit."""


class WeightsError(CannotLoad):
    """Weights that cannot be had or must not be read; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class TensorSize:
    """Of one tensor."""

    dtype: str
    """As the format writes it, for example BF16."""
    shape: tuple[int, ...]
    bytes: int

    @property
    def parameters(self) -> int:
        """How many numbers."""
        return prod(self.shape)


class _Tensor(BaseModel):
    model_config = ConfigDict(extra="ignore")

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


_HEADER = TypeAdapter(dict[str, _Tensor])


def tensors_of(path: Path) -> dict[str, TensorSize]:
    """The tensors of a file, by name.

    Raises:
        WeightsError: it is not such a file, or it is cut short.
    """
    whole = path.stat().st_size
    with path.open("rb") as file:
        begin = file.read(8)
        length = struct.unpack("<Q", begin)[0] if len(begin) == 8 else 0
        if not 2 <= length <= min(LONGEST_HEADER, whole - 8):
            raise WeightsError(f"{str(path)!r} is no safetensors file, or is cut short; fetch it again")
        header = file.read(length)
    try:
        fields = json.loads(header)
        fields.pop("__metadata__", None)
        tensors = _HEADER.validate_python(fields)
    except (ValueError, AttributeError, ValidationError) as error:
        raise WeightsError(f"{str(path)!r} has a header that is no safetensors header; fetch it again") from error
    expected = 8 + length + max((tensor.data_offsets[1] for tensor in tensors.values()), default=0)
    if whole != expected:
        raise WeightsError(f"{str(path)!r} has {whole} bytes, expected {expected}: it is cut short; fetch it again")
    return {
        name: TensorSize(dtype=tensor.dtype, shape=tensor.shape, bytes=tensor.data_offsets[1] - tensor.data_offsets[0])
        for name, tensor in tensors.items()
    }
