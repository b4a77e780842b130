"""A vLLM server as a context manager: starts it in its own environment, waits until it answers, and stops it.

Only the standard library is needed here: torch and vLLM are imported by the server's own process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import deque
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import NoReturn, Self, TextIO

from ditto_models.vllm_checks import VllmServerError, advice, check, free_port
from ditto_models.vllm_flags import CPU_SHIM, VllmServerConfig, vllm_command, vllm_environment

__all__ = ["CPU_SHIM", "VllmServer", "VllmServerConfig", "VllmServerError"]

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Our own server is never asked through a proxy."""
LAST_LINES = 20
POLL_SECONDS = 0.25
STOP_SECONDS = 15.0


class VllmServer:
    """A running vLLM server; leaving the `with` block stops it and every process that it started."""

    def __init__(self, config: VllmServerConfig, log: TextIO) -> None:
        self.config = config
        self._log = log
        self._last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self._advice = ""
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
            VllmServerError: no environment, model folder, GPU or free port; the server died or took too long.
        """
        try:
            check(self.config)
            self._port = free_port(self.config)
            command = vllm_command(self.config, self._port)
        except ValueError as error:  # of the checkpoint's own files
            raise VllmServerError(str(error)) from error
        with ExitStack() as undo:
            self._start(command)
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

    def _start(self, command: list[str]) -> None:
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
            self._advice = self._advice or advice(line)
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
        said = f"; {self._advice}" if self._advice else ""
        tail = "\n".join(self._last_lines)
        return VllmServerError(
            f"vLLM ended {when} (status {self._process.returncode}){said}; the last lines of its log:\n{tail}"
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


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return  # all of it has ended
