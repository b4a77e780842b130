"""A vLLM server as a context manager: starts it in its own environment, waits until it answers, and stops it.

Only the standard library is needed here: torch and vLLM are imported by the server's own process.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import deque
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self, TextIO

CPU_SHIM = Path(__file__).parent / "vllm_cpu_shim"
HUB_NAME = re.compile(r"\w[\w.-]*/[\w.-]+")
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Our own server is never asked through a proxy."""
LAST_LINES = 20
POLL_SECONDS = 0.25
STOP_SECONDS = 15.0


class VllmServerError(RuntimeError):
    """The server could not start, or ended by itself; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class VllmServerConfig:
    """What to serve, where, and how much of it."""

    model: str
    """Folder of a checkpoint, or its name on the model hub, for example Qwen/Qwen3-VL-8B-Instruct."""
    served_model_name: str = ""
    """Name that clients ask for; empty: `model` as given."""
    host: str = "127.0.0.1"
    """The server asks for no key: open it to other machines only inside a trusted network."""
    port: int = 8000
    """0 takes a free one."""
    venv: Path = Path(".venv-vllm")
    """Environment that holds the `vllm` command."""
    cpu: bool = False
    """Serve on the CPU with a small cache, in one process: for tests with tiny models."""
    max_model_len: int = 16384
    """Tokens of prompt and answer together."""
    images_per_prompt: int = 32
    videos_per_prompt: int = 2
    ready_timeout_seconds: float = 1800.0
    """A first start may download the model."""
    extra_flags: tuple[str, ...] = ()
    """Passed to `vllm serve` as they are; they win over the flags chosen here."""


class VllmServer:
    """A running vLLM server; leaving the `with` block stops it and every process that it started."""

    def __init__(self, config: VllmServerConfig, log: TextIO) -> None:
        self.config = config
        self._log = log
        self._last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self._port = config.port

    @property
    def base_url(self) -> str:
        """Address for OpenAI-style clients."""
        return f"http://{self.config.host}:{self._port}/v1"

    @property
    def model(self) -> str:
        """Name that clients ask for."""
        return self.config.served_model_name or self.config.model

    def __enter__(self) -> Self:
        """Start the server and wait until it is ready.

        Raises:
            VllmServerError: no environment, model folder or free port; the server died or took too long.
        """
        _check_paths(self.config)
        self._port = _free_port(self.config)
        with ExitStack() as undo:
            self._start()
            undo.callback(self._stop)
            self._wait_until_ready()
            undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the server."""
        self._stop()

    def wait(self) -> NoReturn:
        """Stay until the server ends by itself, which is an error.

        Raises:
            VllmServerError: the server ended.
        """
        self._process.wait()
        raise self._ended("while serving")

    def _start(self) -> None:
        command = vllm_command(self.config, self._port)
        try:
            self._process = subprocess.Popen(
                command,
                env=vllm_environment(self.config),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise VllmServerError(f"cannot run {command[0]!r}: {error.strerror}; make it anew") from error
        self._reader = threading.Thread(target=self._copy_log, daemon=True)
        self._reader.start()

    def _copy_log(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._last_lines.append(line.rstrip())
            with suppress(OSError, ValueError):  # nobody reads the log any more; vLLM must not wait for a reader
                self._log.write(line)
                self._log.flush()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.config.ready_timeout_seconds
        while not self._answers():
            if self._process.poll() is not None:
                raise self._ended("while starting")
            if time.monotonic() > deadline:
                raise VllmServerError(
                    f"vLLM was not ready after {self.config.ready_timeout_seconds:.0f} s; the last lines of its log:\n"
                    + "\n".join(self._last_lines)
                )
            time.sleep(POLL_SECONDS)

    def _answers(self) -> bool:
        try:
            with DIRECT.open(self.base_url.removesuffix("v1") + "health", timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def _ended(self, when: str) -> VllmServerError:
        self._reader.join(timeout=STOP_SECONDS)
        tail = "\n".join(self._last_lines)
        return VllmServerError(
            f"vLLM ended {when} (status {self._process.returncode}); the last lines of its log:\n{tail}"
        )

    def _stop(self) -> None:
        try:
            _signal_group(self._process.pid, signal.SIGTERM)
            self._process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            print(f"vLLM did not stop within {STOP_SECONDS:.0f} s and is killed", file=sys.stderr)
        finally:
            _signal_group(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._reader.join(timeout=STOP_SECONDS)


def vllm_command(config: VllmServerConfig, port: int) -> list[str]:
    """The `vllm serve` command line with what Ditto's client relies on.

    The hermes parser reads Qwen's tool calls, strict level `parameter` binds their arguments to the tool's schema, and
    `--generation-config vllm` keeps a checkpoint's own sampling defaults out of requests that say what they want. Trust
    in what a request says of its media lets a clip come with the times of its frames (`vision.video_settings`).
    """
    name = config.served_model_name or config.model
    command = [str(config.venv.absolute() / "bin" / "vllm"), "serve", config.model, "--served-model-name", name]
    command += ["--host", config.host, "--port", str(port), "--max-model-len", str(config.max_model_len)]
    # The size is that of the clip which vLLM keeps memory for; without it that would be the longest one it can read.
    videos = {"count": config.videos_per_prompt, "num_frames": 32, "width": 640, "height": 640}
    command += ["--limit-mm-per-prompt", json.dumps({"image": config.images_per_prompt, "video": videos})]
    command += ["--trust-request-mm-kwargs"]
    command += ["--generation-config", "vllm"]
    command += ["--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--tool-strict-level", "parameter"]
    if config.cpu:
        command += ["--dtype", "bfloat16", "--max-num-seqs", "4", "--enforce-eager"]
        command += ["--distributed-executor-backend", "uni", "--kv-cache-memory-bytes", str(64 * 1024**2)]
        # A seeded request whose prompt is read in chunks kills the CPU engine: "CPU Generator does not use offset".
        command += ["--no-enable-chunked-prefill", "--max-num-batched-tokens", str(config.max_model_len)]
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


def _check_paths(config: VllmServerConfig) -> None:
    command = config.venv / "bin" / "vllm"
    if not command.is_file():
        raise VllmServerError(
            f"no vLLM in {str(config.venv)!r} ({command} is missing); "
            "make a CPU one with `make .venv-vllm`, or name another environment with --venv"
        )
    folder = Path(config.model)
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise VllmServerError(f"model folder {config.model!r} has no config.json; give the folder of one checkpoint")
    if not folder.is_dir() and not HUB_NAME.fullmatch(config.model):
        raise VllmServerError(
            f"no model folder {config.model!r}; give the folder of a checkpoint, or its hub name, ORGANISATION/NAME"
        )


def _free_port(config: VllmServerConfig) -> int:
    """The port to serve on, checked before the start: another server there would answer in the place of ours."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.host, config.port))
        except (OSError, OverflowError) as error:
            raise VllmServerError(
                f"cannot listen on {config.host}:{config.port} ({error}); choose another --host or --port"
            ) from error
        return int(probe.getsockname()[1])


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return  # all of it has ended
