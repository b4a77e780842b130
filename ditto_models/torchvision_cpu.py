"""Lets PyPI's torchvision import beside a CPU build of torch.

PyPI has torchvision only as a CUDA build. Its operators do not load beside a CPU torch, and importing it then fails
("operator torchvision::nms does not exist") because it describes operators that were never declared: declaring `nms`
and `qnms` first is enough for its transforms. The operators themselves stay unusable; nothing here calls them.
"""

from __future__ import annotations

import sys
import threading
from functools import cache

_ONE_AT_A_TIME = threading.Lock()
"""Declared twice is an error, and pictures are prepared in several threads."""


def declare_operators() -> None:
    """Declare torchvision's operators where torch has no CUDA or ROCm; call it before anything imports torchvision."""
    with _ONE_AT_A_TIME:
        _declared()


@cache
def _declared() -> tuple[object, ...]:
    """What keeps the declarations alive: they end with the library object that made them."""
    import torch

    if torch.version.cuda is not None or torch.version.hip is not None or "torchvision" in sys.modules:
        return ()
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    return (library,)
