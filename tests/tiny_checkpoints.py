"""Folders of the tiny checkpoints, each built once for every version of what makes it and kept in .cache.

.venv/bin/python -m tests.tiny_checkpoints    # builds them all, and says where they are
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ditto_models.vllm_server import CPU_SHIM

ROOT = Path(__file__).parent.parent
MODEL = ("tests/tiny_vlm.py", "ditto_models/qwen_vl_tools.jinja")
TRACES = (
    *("tests/planner_traces.py", "tests/fake_run.py", "tests/fakes.py", "ditto_models/embedded/planner.py"),
    *(
        "agent/planner.py",
        "agent/policy.py",
        "agent/verdicts.py",
        "agent/state_block.py",
        "agent/profiles/embedded.yaml",
    ),
    *("prompts/planner_*.j2", "tools/write_instruction.py", "tools/edit_key_frame.py", "tools/generate_video.py"),
    *("tools/enhance_video.py", "tools/retry.py", "tools/accept.py", "tools/reject.py"),
)
"""What decides what a planner reads at a decision, and what the rules answer."""
TRACED_SAMPLES = 70


def tiny_checkpoint(venv: Path, family: str) -> Path:
    """A model of a family with random weights."""
    with _alone(folder := _folder(f"tiny-vlm-{family}", MODEL)):
        if folder.is_dir():
            return folder
        _make(folder, [_python(venv), "-m", "tests.tiny_vlm", "OUT", "--family", family, "--bias"])
    return folder


def trained_checkpoint(venv: Path, family: str = "qwen3_vl") -> Path:
    """A model of a family that was trained on traces of the embedded planner; made in about 80 seconds."""
    with _alone(folder := _folder(f"trained-vlm-{family}", (*MODEL, *TRACES, "tests/tiny_vlm_training.py"))):
        if folder.is_dir():
            return folder
        with tempfile.TemporaryDirectory() as workspace:
            traces = str(Path(workspace) / "traces.jsonl")
            samples = str(TRACED_SAMPLES)
            _run([sys.executable, "-m", "tests.planner_traces", traces, "--samples", samples, "--seed", "1"], {})
            _make(folder, [_python(venv), "-m", "tests.tiny_vlm_training", "OUT", traces, "--family", family])
    return folder


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold one checkpoint's lock, since test processes ask for it at the same time; it ends with the process."""
    folder.parent.mkdir(exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _folder(name: str, patterns: Sequence[str]) -> Path:
    digest = hashlib.sha256()
    for pattern in patterns:
        files = sorted(ROOT.glob(pattern))
        if not files:
            raise ValueError(f"no file {pattern!r} to tell versions of {name} by; name the one that has its place")
        for file in files:
            digest.update(file.read_bytes())
    return ROOT / ".cache" / f"{name}-{digest.hexdigest()[:12]}"


def _make(folder: Path, command: list[str]) -> None:
    """Run a builder of the vLLM environment; the folder appears whole or not at all."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as workspace:
        built = Path(workspace) / "built"
        _run([str(built) if word == "OUT" else word for word in command], {"PYTHONPATH": str(CPU_SHIM)})
        built.rename(folder)


def _run(command: list[str], variables: dict[str, str]) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"} | variables
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with status {done.returncode}:\n{done.stderr[-2000:]}")


def _python(venv: Path) -> str:
    return str(venv.absolute() / "bin" / "python")


def main() -> None:
    """Build what is missing."""
    venv = ROOT / ".venv-vllm"
    for family in ("qwen3_vl", "qwen2_5_vl"):
        print(tiny_checkpoint(venv, family))
    print(trained_checkpoint(venv))


if __name__ == "__main__":
    main()
