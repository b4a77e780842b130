"""A real vLLM server on the CPU with a tiny random model, started once for all the tests that ask for it.

DITTO_VLLM_VENV names another environment than .venv-vllm; DITTO_TINY_VLM_FAMILY=qwen2_5_vl serves the older family.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ditto_models.vllm_server import CPU_SHIM, VllmServer, VllmServerConfig

ROOT = Path(__file__).parent.parent
BUILDER = ROOT / "tests" / "tiny_vlm.py"
CHAT_TEMPLATE = ROOT / "ditto_models" / "qwen_vl_tools.jinja"


@pytest.fixture(scope="session")
def vllm_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    """The running server: `base_url` and `model` are what a client needs. Ready in about half a minute."""
    venv = environment_of_vllm()
    checkpoint = tiny_checkpoint(venv, os.environ.get("DITTO_TINY_VLM_FAMILY", "qwen3_vl"))
    config = VllmServerConfig(
        model=str(checkpoint), served_model_name="tiny-vlm", port=0, venv=venv, cpu=True, ready_timeout_seconds=240
    )
    with (tmp_path_factory.mktemp("vllm") / "server.log").open("w") as log, VllmServer(config, log) as server:
        yield server


def environment_of_vllm() -> Path:
    """Folder of the environment that serves on the CPU; the test fails where there is none."""
    venv = Path(os.environ.get("DITTO_VLLM_VENV", ROOT / ".venv-vllm"))
    if not (venv / "bin" / "vllm").is_file():
        pytest.fail(f"no vLLM in {str(venv)!r}; make it with `make .venv-vllm`", pytrace=False)
    return venv


def tiny_checkpoint(venv: Path, family: str) -> Path:
    """Folder of the checkpoint, built once for each version of the script and chat template that make it."""
    version = hashlib.sha256(BUILDER.read_bytes() + CHAT_TEMPLATE.read_bytes()).hexdigest()[:12]
    folder = ROOT / ".cache" / f"tiny-vlm-{family}-{version}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as workspace:
        built = Path(workspace) / family
        subprocess.run(
            [str(venv / "bin" / "python"), str(BUILDER), str(built), "--family", family, "--bias"],
            env=os.environ | {"PYTHONPATH": str(CPU_SHIM), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
            check=True,
        )
        built.rename(folder)
    return folder
