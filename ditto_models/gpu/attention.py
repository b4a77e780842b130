"""Which kernel computes attention, the most expensive part of long videos; refused at load where it does not run."""

from __future__ import annotations

from typing import Any, Literal

from ditto_models.gpu.cannot_load import CannotLoad

Attention = Literal[
    "native",
    "_native_cudnn",
    "_native_efficient",
    "_native_flash",
    "_native_math",
    "flash",
    "flash_varlen",
    "_flash_3",
    "flex",
    "sage",
    "sage_varlen",
    "xformers",
]
"""As diffusers names them: native is torch's own choice; flash, sage and xformers are packages to install. Those that
fetch compiled kernels from a hub are left out: that is remote code."""


class NoSuchAttention(CannotLoad):
    """This kernel does not run here; the message says why."""


def with_attention(transformer: Any, attention: Attention, device: Any, dtype: Any) -> Any:
    """Let a diffusers transformer compute attention by this kernel, tried once in its own type on its device.

    Raises:
        NoSuchAttention: it is not installed, or does not run on this device in this type.
    """
    from diffusers.models.attention_dispatch import _AttentionBackendRegistry

    active, _ = _AttentionBackendRegistry.get_active_backend()
    try:
        transformer.set_attention_backend(attention)
        _tried(attention, device, dtype)
    except Exception as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise NoSuchAttention(
            f"attention {attention!r} does not run here, on {str(device)!r} in {dtype}: {said}; choose 'native'"
        ) from error
    finally:
        # diffusers also makes it the choice of every other network of the process.
        _AttentionBackendRegistry.set_active_backend(active)
    return transformer


def _tried(attention: Attention, device: Any, dtype: Any) -> None:
    import torch
    from diffusers.models.attention_dispatch import AttentionBackendName, dispatch_attention_fn

    query_BNHD = torch.zeros(1, 128, 2, 64, device=device, dtype=dtype)
    dispatch_attention_fn(query_BNHD, query_BNHD, query_BNHD, backend=AttentionBackendName(attention))
