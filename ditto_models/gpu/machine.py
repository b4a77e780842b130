"""What a machine has for networks: GPUs and their driver, torch's build, memory. Asks nvidia-smi and files, not torch.

torch is imported only where it claims to be built for CUDA and a GPU is there: then what it says itself counts.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

SMI_SECONDS = 15.0
"""That nvidia-smi has; a driver that hangs never answers."""
MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")
"""Of version 2, as this process sees it."""
FIELDS = "index,uuid,name,memory.total,memory.free,driver_version,compute_cap"


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One of NVIDIA's."""

    index: int
    name: str
    total_bytes: int
    free_bytes: int
    driver: str
    capability: tuple[int, int]
    """Of CUDA; (0, 0) where the driver does not say."""


@dataclass(frozen=True, kw_only=True)
class Gpus:
    """Those that this process may see."""

    found: tuple[Gpu, ...] = ()
    hidden: int = 0
    """Others, which CUDA_VISIBLE_DEVICES leaves out."""
    cuda: tuple[int, int] | None = None
    """The newest CUDA that the driver runs."""
    problem: str = ""
    """Why none was found."""


@dataclass(frozen=True, kw_only=True)
class TorchBuild:
    """Read from its files."""

    version: str
    cuda: tuple[int, int] | None
    """That it was built for; None of a CPU build."""


def gpus() -> Gpus:
    """The GPUs, by nvidia-smi."""
    try:
        listed = _smi(f"--query-gpu={FIELDS}", "--format=csv,noheader,nounits")
        told = _smi()
    except FileNotFoundError:
        return Gpus(problem="no nvidia-smi: this machine has no NVIDIA GPU, or no driver for it")
    except subprocess.TimeoutExpired:
        return Gpus(problem=f"nvidia-smi did not answer within {SMI_SECONDS:.0f} s: the driver hangs")
    if listed.returncode:
        said = " ".join((listed.stdout + listed.stderr).split())[:200]
        return Gpus(problem=f"nvidia-smi fails: {said or f'exit code {listed.returncode}'}")
    rows = [[cell.strip() for cell in line.split(",")] for line in listed.stdout.splitlines() if line.strip()]
    visible = _visible([(row[0], row[1]) for row in rows])
    cuda = re.search(r"CUDA Version:\s*(\d+)\.(\d+)", told.stdout)
    found = tuple(_gpu(row) for row in rows if row[0] in visible)
    problem = "" if found else ("CUDA_VISIBLE_DEVICES hides every GPU" if rows else "nvidia-smi lists no GPU")
    return Gpus(
        found=found,
        hidden=len(rows) - len(found),
        cuda=(int(cuda[1]), int(cuda[2])) if cuda else None,
        problem=problem,
    )


def _smi(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["nvidia-smi", *arguments], capture_output=True, text=True, timeout=SMI_SECONDS, check=False)


def _visible(known: list[tuple[str, str]]) -> set[str]:
    """Indices of the GPUs that CUDA_VISIBLE_DEVICES names, by number or by UUID; all where it is not set."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return {index for index, _ in known}
    words = [word.strip() for word in named.split(",")]
    return {index for index, uuid in known if any(word == index or (word and uuid.startswith(word)) for word in words)}


def _gpu(row: list[str]) -> Gpu:
    index, _, name, total, free, driver, capability = row
    major, _, minor = capability.partition(".")
    return Gpu(
        index=int(index),
        name=name,
        total_bytes=_mib(total),
        free_bytes=_mib(free),
        driver=driver,
        capability=(int(major), int(minor)) if major.isdigit() and minor.isdigit() else (0, 0),
    )


def _mib(text: str) -> int:
    return int(text) * 1024**2 if text.isdigit() else 0


def torch_build() -> TorchBuild | None:
    """Which torch is installed, without importing it; None where none is."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    try:
        text = (Path(spec.origin).parent / "version.py").read_text()
    except OSError:
        text = ""
    cuda = re.search(r"^cuda.*=\s*'(\d+)\.(\d+)", text, re.MULTILINE)
    try:
        name = version("torch")
    except PackageNotFoundError:
        name = "of unknown version"
    told = re.search(r"^__version__ = '([^']+)'", text, re.MULTILINE)
    return TorchBuild(version=told[1] if told else name, cuda=(int(cuda[1]), int(cuda[2])) if cuda else None)


def torch_problem() -> str:
    """Why torch, built for CUDA, does not see the GPU; empty where it does. Imports torch."""
    import torch

    if torch.cuda.is_available():
        return ""
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except Exception as error:  # noqa: BLE001 -- whatever it says is the answer
        return str(error).splitlines()[0]
    return "torch.cuda.is_available() is False"


def available_ram_bytes() -> int | None:
    """Of the machine's memory what this process may still take; None where the system does not say.

    Where a container or a service has a limit of its own, no more than that leaves: beyond it the kernel kills.
    """
    free = _meminfo("MemAvailable")
    limit, used = _number(CGROUP / "memory.max"), _number(CGROUP / "memory.current")
    if limit is None or used is None:
        return free
    cached = re.search(r"^inactive_file (\d+)", _text(CGROUP / "memory.stat"), re.MULTILINE)
    left = max(0, limit - used + (int(cached[1]) if cached else 0))
    return left if free is None else min(free, left)


def total_ram_bytes() -> int | None:
    """The machine's memory, or the limit that this process's container has; None where the system does not say."""
    sizes = [size for size in (_meminfo("MemTotal"), _number(CGROUP / "memory.max")) if size is not None]
    return min(sizes, default=None)


def _meminfo(name: str) -> int | None:
    found = re.search(rf"^{name}:\s+(\d+) kB", _text(MEMINFO), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None  # "max" where there is no limit


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def has(module: str) -> bool:
    """Whether a package can be imported, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
