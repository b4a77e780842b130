"""Real vLLM servers on the CPU with tiny models, started when a test first asks for them and shared by all that do.

DITTO_VLLM_VENV names another environment than .venv-vllm; DITTO_TINY_VLM_FAMILY=qwen2_5_vl serves the older family
where one server is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from ditto_models.vllm_server import VllmServer, VllmServerConfig
from tests.tiny_checkpoints import ROOT, tiny_checkpoint, trained_checkpoint

FAMILIES = ("qwen3_vl", "qwen2_5_vl")
TRAINED = "trained"
"""Name under which a trained model is served."""


class Servers:
    """Running servers by what they serve: the random model of a family, or its trained one ("trained-qwen3_vl")."""

    def __init__(self, venv: Path, logs: Path, undo: ExitStack) -> None:
        self._venv = venv
        self._logs = logs
        self._undo = undo
        self._running: dict[str, VllmServer] = {}

    def get(self, *names: str) -> tuple[VllmServer, ...]:
        """The servers of these names; those that do not run yet are started at the same time."""
        wanted = [name for name in names if name not in self._running]
        with ThreadPoolExecutor(max_workers=max(1, len(wanted))) as pool:
            starting = [pool.submit(self._start, name) for name in wanted]
        for name, server in zip(wanted, starting, strict=True):
            self._running[name] = server.result()
        return tuple(self._running[name] for name in names)

    def _start(self, name: str) -> VllmServer:
        family = name.removeprefix(f"{TRAINED}-")
        checkpoint, served = (
            (tiny_checkpoint(self._venv, family), "tiny-vlm")
            if family == name
            else (trained_checkpoint(self._venv, family), TRAINED)
        )
        config = VllmServerConfig(
            model=str(checkpoint),
            served_model_name=served,
            port=0,
            venv=self._venv,
            cpu=True,
            ready_timeout_seconds=240,
        )
        log = self._undo.enter_context((self._logs / f"{name}.log").open("w"))
        return self._undo.enter_context(VllmServer(config, log))


def environment_of_vllm() -> Path:
    """Folder of the environment that serves on the CPU; the test fails where there is none."""
    venv = Path(os.environ.get("DITTO_VLLM_VENV", ROOT / ".venv-vllm"))
    if not (venv / "bin" / "vllm").is_file():
        pytest.fail(f"no vLLM in {str(venv)!r}; make it with `make .venv-vllm`", pytrace=False)
    return venv


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """What starts servers; each is ready in about half a minute and takes 1.2 GB."""
    with ExitStack() as undo:
        yield Servers(environment_of_vllm(), tmp_path_factory.mktemp("vllm"), undo)


@pytest.fixture(scope="session")
def vllm_server(servers: Servers) -> VllmServer:
    """A server with a random model: `base_url` and `model` are what a client needs."""
    return servers.get(os.environ.get("DITTO_TINY_VLM_FAMILY", FAMILIES[0]))[0]


@pytest.fixture(scope="session")
def vllm_servers(servers: Servers) -> tuple[VllmServer, ...]:
    """Two servers with random models of both families, under the same name."""
    return servers.get(*FAMILIES)


@pytest.fixture(scope="session")
def trained_server(servers: Servers) -> VllmServer:
    """A server with the model that was trained to call what the embedded planner calls."""
    return servers.get(f"{TRAINED}-{FAMILIES[0]}")[0]
