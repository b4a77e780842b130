"""Machines for agent.preflight that are pretended: GPUs by a script named nvidia-smi, a hub by a small server."""

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.commands import call
from tests.tiny_hub import tensor_file

if TYPE_CHECKING:
    from agent.preflight.findings import Finding

COMPONENTS = {"transformer": ["diffusers", "A"], "vae": ["diffusers", "B"]}
PIPELINE = {
    "model_index.json": json.dumps({"_class_name": "X", **COMPONENTS}).encode(),
    "transformer/config.json": b"{}",
    "transformer/diffusion_pytorch_model.safetensors": tensor_file(weight=(1000, 1000)),
    "vae/config.json": b"{}",
    "vae/diffusion_pytorch_model.safetensors": tensor_file(weight=(10, 10)),
}
DEPTH = {"config.json": b"{}", "model.safetensors": tensor_file(weight=(10, 10))}
SMI = """#!/bin/sh
case "$1" in
  --query-gpu*) printf '%b' "{rows}" ;;
  *) echo "| NVIDIA-SMI 570.1  Driver Version: 570.1  CUDA Version: {cuda} |" ;;
esac
exit {code}
"""
H100 = "0, GPU-aa, NVIDIA H100, 81559, 81000, 570.1, 9.0\\n1, GPU-bb, NVIDIA H100, 81559, 81000, 570.1, 9.0\\n"


SESSIONS: dict[str, object] = {}


@pytest.fixture
def quick_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small networks that every profile has are loaded once, and their files are not read to the end each time."""
    import onnxruntime

    from ditto_models import assets

    load = onnxruntime.InferenceSession

    def loaded_once(path: str, *_: object, **__: object) -> object:
        if path not in SESSIONS:
            SESSIONS[path] = load(path, providers=["CPUExecutionProvider"])
        return SESSIONS[path]

    monkeypatch.setattr(onnxruntime, "InferenceSession", loaded_once)
    monkeypatch.setattr(assets.AssetStore, "present", lambda store, asset: (store.folder / asset.file).is_file())


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A nvidia-smi of two H100, and a torch that suits them; a test may write another."""
    from agent.preflight import machine as preflight_machine
    from ditto_models.gpu import machine

    path = tmp_path / "bin" / "nvidia-smi"
    path.parent.mkdir()
    write_smi(path)
    monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(machine, "torch_build", lambda: machine.TorchBuild(version="2.13.0+cu128", cuda=(12, 8)))
    monkeypatch.setattr(preflight_machine, "torch_problem", lambda: "")
    return path


def write_smi(path: Path, rows: str = H100, cuda: str = "12.8", code: int = 0) -> None:
    path.write_text(SMI.format(rows=rows, cuda=cuda, code=code))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def folder_of(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


@pytest.fixture
def vace_profile(tmp_path: Path) -> Path:
    """A generator in the hub, its depth in a folder, everything else embedded."""
    depth = folder_of(tmp_path / "depth", DEPTH)
    path = tmp_path / "mine.yaml"
    path.write_text(
        "extends: embedded\n"
        "clips: {size_multiple: 16}\n"
        f"generator: {{kind: wan_vace, weights: {{repo: org/vace}}, depth: {{weights: {{repo: {depth}}}}}}}\n"
    )
    return path


def found(profile: Path, *overrides: str) -> "dict[tuple[str, str], Finding]":
    """What the command prints as JSON, by slot and check."""
    from agent.preflight.findings import Finding

    done = call("agent.preflight", "--profile", profile, "--json", *overrides)
    assert done.returncode in (0, 1), done.stderr
    told = json.loads(done.stdout)
    assert told["ok"] == (done.returncode == 0) == (told["counts"]["fail"] == 0)
    return {(one["of"], one["check"]): Finding(**one) for one in told["findings"]}
