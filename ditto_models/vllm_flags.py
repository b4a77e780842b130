"""What a vLLM server is told: its command line and its environment, from the settings of `ditto_models.serve`."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from ditto_models.vllm_template import template_to_pass

CPU_SHIM = Path(__file__).parent / "vllm_cpu_shim"
CHAT_TOKENS = 16384


@dataclass(frozen=True, kw_only=True)
class VllmServerConfig:
    """What to serve, where, and how much of it."""

    model: str
    """Folder of a checkpoint, or its name on the model hub, for example Qwen/Qwen3-VL-8B-Instruct."""
    served_model_name: str = ""
    """Name that clients ask for; empty: `model` as given."""
    embeddings: bool = False
    """Serve the vectors of texts at /v1/embeddings, not a chat."""
    host: str = "127.0.0.1"
    """The server asks for no key: open it to other machines only inside a trusted network."""
    port: int = 8000
    """0 takes a free one."""
    venv: Path | None = None
    """Environment that holds the `vllm` command; None: .venv-vllm-gpu, or .venv-vllm on the CPU."""
    gpus: int = 1
    """GPUs that share the model (tensor parallel); it must divide the model's attention heads."""
    cpu: bool = False
    """Serve on the CPU with a small cache, in one process: for tests with tiny models."""
    max_model_len: int = 0
    """Tokens of prompt and answer together; 0: 16384 for a chat, the model's own limit for embeddings."""
    images_per_prompt: int = 32
    videos_per_prompt: int = 2
    ready_timeout_seconds: float = 1800.0
    """A first start may download the model."""
    extra_flags: tuple[str, ...] = ()
    """Passed to `vllm serve` as they are; they win over the flags chosen here."""

    @property
    def environment(self) -> Path:
        """Folder of the environment that holds the `vllm` command."""
        return self.venv or Path(".venv-vllm" if self.cpu else ".venv-vllm-gpu")

    @property
    def tokens(self) -> int:
        """Of prompt and answer together; 0 leaves it to the model."""
        return self.max_model_len or (0 if self.embeddings else CHAT_TOKENS)


def vllm_command(config: VllmServerConfig, port: int) -> list[str]:
    """The `vllm serve` command line with what Ditto's clients rely on."""
    name = config.served_model_name or config.model
    command = [str(config.environment.absolute() / "bin" / "vllm"), "serve", config.model, "--served-model-name", name]
    command += ["--host", config.host, "--port", str(port)]
    command += ["--max-model-len", str(config.tokens)] if config.tokens else []
    command += ["--tensor-parallel-size", str(config.gpus)] if config.gpus > 1 else []
    command += ["--runner", "pooling"] if config.embeddings else _chat_flags(config)
    command += _cpu_flags(config) if config.cpu else []
    return [*command, *config.extra_flags]


def vllm_environment(config: VllmServerConfig) -> dict[str, str]:
    """Environment variables of the server: nothing is reported home, and a model folder needs no network."""
    variables = dict(os.environ) | {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    # Ditto's own folders have plain names that must not stand before packages of the server's environment.
    variables.pop("PYTHONPATH", None)
    if Path(config.model).is_dir():
        variables |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    if config.cpu:
        variables["PYTHONPATH"] = str(CPU_SHIM)
        variables["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # one process, one import of torch
        variables["OMP_NUM_THREADS"] = "1"  # two spinning threads on busy cores stall for tens of seconds
        variables["TORCHDYNAMO_DISABLE"] = "1"  # compiling for the first image takes longer than all the tests
    return variables


def _chat_flags(config: VllmServerConfig) -> list[str]:
    """Of a chat with pictures and tools.

    The hermes parser reads Qwen's tool calls, strict level `parameter` binds their arguments to the tool's schema, and
    `--generation-config vllm` keeps a checkpoint's own sampling defaults out of requests that say what they want. Trust
    in what a request says of its media lets a clip come with the times of its frames (`vision.sendable`).
    """
    # The sizes are those that vLLM keeps memory for; without them that would be the largest it can read.
    images = {"count": config.images_per_prompt, "width": 1280, "height": 1280}
    videos = {"count": config.videos_per_prompt, "num_frames": 32, "width": 640, "height": 640}
    flags = ["--limit-mm-per-prompt", json.dumps({"image": images, "video": videos})]
    flags += ["--trust-request-mm-kwargs", "--generation-config", "vllm"]
    flags += ["--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--tool-strict-level", "parameter"]
    template = None if _given(config, "--chat-template") else template_to_pass(config.model)
    return [*flags, "--chat-template", str(template)] if template else flags


def _cpu_flags(config: VllmServerConfig) -> list[str]:
    flags = ["--dtype", "bfloat16", "--max-num-seqs", "4", "--enforce-eager"]
    flags += ["--distributed-executor-backend", "uni", "--kv-cache-memory-bytes", str(64 * 1024**2)]
    if config.tokens:
        # A seeded request whose prompt is read in chunks kills the CPU engine: "CPU Generator does not use offset".
        flags += ["--no-enable-chunked-prefill", "--max-num-batched-tokens", str(config.tokens)]
    return flags


def _given(config: VllmServerConfig, flag: str) -> bool:
    return any(word.partition("=")[0] == flag for word in config.extra_flags)
