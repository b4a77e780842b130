"""What is checked before a vLLM server starts, and what is said when it fails: its own words come late and long."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

from ditto_models.vllm_flags import VllmServerConfig
from ditto_models.vllm_template import json_of

HUB_NAME = re.compile(r"\w[\w.-]*/[\w.-]+")
ADVICE = {
    r"No available memory for the cache|larger than the available KV cache|CUDA out of memory|Free memory on device": (
        "it does not fit: lower --max-model-len, raise --gpus, free the GPU, or take a smaller or an FP8 model"
    ),
    r"Failed to infer device type": "vLLM sees no GPU: look at nvidia-smi and CUDA_VISIBLE_DEVICES",
    r"gated repo|401 Client Error|403 Client Error": "accept the model's terms on the hub and set HF_TOKEN",
    r"couldn't connect to|LocalEntryNotFoundError|Temporary failure in name resolution": (
        "the model hub cannot be reached: give the folder of a checkpoint that was fetched before"
    ),
    r"does not recognize this architecture|Model architectures .* are not supported": (
        "this version of vLLM does not know the model"
    ),
}
"""What to do about what vLLM writes in its log."""


class VllmServerError(RuntimeError):
    """The server could not start, or ended by itself; the message says why and what to do."""


def advice(line: str) -> str:
    """What to do about a line of vLLM's log; empty for most."""
    return next((what for pattern, what in ADVICE.items() if re.search(pattern, line)), "")


def check(config: VllmServerConfig) -> None:
    """Refuse what cannot start.

    Raises:
        VllmServerError: there is no environment, model folder or GPU, or too few of them.
        ValueError: the checkpoint's config.json cannot be read.
    """
    command = config.environment / "bin" / "vllm"
    if not command.is_file():
        raise VllmServerError(
            f"no vLLM in {str(config.environment)!r} ({command} is missing); make it with `make .venv-vllm-gpu`, "
            "or `make .venv-vllm` for the CPU, or name another environment with --venv"
        )
    _check_model(config.model)
    _check_gpus(config)


def free_port(config: VllmServerConfig) -> int:
    """The port to serve on, checked before the start: another server there would answer in the place of ours.

    Raises:
        VllmServerError: the port is taken, or the address is not of this machine.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.host, config.port))
        except (OSError, OverflowError) as error:
            raise VllmServerError(
                f"cannot listen on {config.host}:{config.port} ({error}); choose another --host or --port"
            ) from error
        return int(probe.getsockname()[1])


def visible_gpus() -> int:
    """NVIDIA GPUs that a process started here may use."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return len([name for name in chosen.split(",") if name.strip() not in ("", "-1")])
    if not shutil.which("nvidia-smi"):
        return 0
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


def _check_model(model: str) -> None:
    folder = Path(model)
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise VllmServerError(f"model folder {model!r} has no config.json; give the folder of one checkpoint")
    if not folder.is_dir() and not HUB_NAME.fullmatch(model):
        raise VllmServerError(
            f"no model folder {model!r}; give the folder of a checkpoint, or its hub name, ORGANISATION/NAME"
        )


def _check_gpus(config: VllmServerConfig) -> None:
    if config.cpu:
        if config.gpus != 1:
            raise VllmServerError(f"--cpu takes no --gpus; got {config.gpus}")
        return
    visible = visible_gpus()
    if not visible:
        raise VllmServerError(
            "no GPU is visible here (nvidia-smi, CUDA_VISIBLE_DEVICES); serve on a machine that has one, or a tiny "
            "model with --cpu"
        )
    if not 1 <= config.gpus <= visible:
        raise VllmServerError(f"--gpus is {config.gpus}; expected 1 to {visible}, the number of GPUs visible here")
    heads = _attention_heads(Path(config.model))
    if heads % config.gpus:
        raise VllmServerError(f"--gpus is {config.gpus}, which does not divide the model's {heads} attention heads")


def _attention_heads(folder: Path) -> int:
    """Of the language model; 0 where it is not on this machine."""
    if not folder.is_dir():
        return 0
    config = json_of(folder / "config.json")
    return int(config.get("text_config", config).get("num_attention_heads", 0))
