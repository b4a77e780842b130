"""How a vLLM server is started, watched and stopped, with a small script in the place of the `vllm` command."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ditto_models.vllm_server import VllmServer, VllmServerConfig, VllmServerError, vllm_command, vllm_environment

SERVES = """
import http.server, subprocess, sys
child = subprocess.Popen(["sleep", "600"])
print("child", child.pid, flush=True)
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
port = int(sys.argv[sys.argv.index("--port") + 1])
http.server.HTTPServer(("127.0.0.1", port), Health).serve_forever()
"""
DIES = """
import sys
print("loading weights")
sys.exit("no such kernel")
"""


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


def environment_with(script: str, tmp_path: Path) -> Path:
    command = tmp_path / "venv" / "bin" / "vllm"
    command.parent.mkdir(parents=True)
    command.write_text(f"#!{sys.executable}\n{script}")
    command.chmod(0o755)
    return tmp_path / "venv"


def ended(process: int) -> bool:
    """Whether a process that is not our child ends within five seconds; one that nobody has reaped has ended."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def test_leaving_the_block_stops_every_process_of_the_server(tmp_path: Path, checkpoint: Path) -> None:
    log = io.StringIO()
    venv = environment_with(SERVES, tmp_path)
    with VllmServer(VllmServerConfig(model=str(checkpoint), port=0, venv=venv), log) as server:
        assert server.base_url.startswith("http://127.0.0.1:")
        assert not server.base_url.endswith(":0/v1")
        assert server.model == str(checkpoint)
    assert ended(int(log.getvalue().split()[1]))


def test_server_that_dies_while_starting_is_reported_with_its_last_words(tmp_path: Path, checkpoint: Path) -> None:
    config = VllmServerConfig(model=str(checkpoint), port=0, venv=environment_with(DIES, tmp_path))
    with pytest.raises(VllmServerError, match=r"(?s)while starting \(status 1\).*loading weights.*no such kernel"):
        VllmServer(config, io.StringIO()).__enter__()


def test_server_that_is_never_ready_is_stopped(tmp_path: Path, checkpoint: Path) -> None:
    venv = environment_with("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)", tmp_path)
    log = io.StringIO()
    config = VllmServerConfig(model=str(checkpoint), port=0, venv=venv, ready_timeout_seconds=1)
    with pytest.raises(VllmServerError, match="not ready after 1 s"):
        VllmServer(config, log).__enter__()
    assert ended(int(log.getvalue()))


def test_port_of_another_server_is_refused(tmp_path: Path, checkpoint: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        config = VllmServerConfig(model=str(checkpoint), port=port, venv=environment_with(DIES, tmp_path))
        with pytest.raises(VllmServerError, match=f"127.0.0.1:{port}.*choose another"):
            VllmServer(config, io.StringIO()).__enter__()


@pytest.mark.parametrize("model", ["no-such-folder", "./not/there", "/not/there"])
def test_missing_model_folder_is_named(tmp_path: Path, model: str) -> None:
    config = VllmServerConfig(model=model, port=0, venv=environment_with(DIES, tmp_path))
    with pytest.raises(VllmServerError, match=f"no model folder '{model}'"):
        VllmServer(config, io.StringIO()).__enter__()


def test_folder_that_holds_no_checkpoint_is_named(tmp_path: Path) -> None:
    config = VllmServerConfig(model=str(tmp_path), port=0, venv=environment_with(DIES, tmp_path))
    with pytest.raises(VllmServerError, match=f"{tmp_path}' has no config"):
        VllmServer(config, io.StringIO()).__enter__()


def test_missing_environment_says_how_to_make_one(tmp_path: Path, checkpoint: Path) -> None:
    config = VllmServerConfig(model=str(checkpoint), venv=tmp_path / "absent")
    with pytest.raises(VllmServerError, match=r"make \.venv-vllm"):
        VllmServer(config, io.StringIO()).__enter__()


def test_extra_flags_come_last_so_that_they_win(checkpoint: Path) -> None:
    config = VllmServerConfig(model=str(checkpoint), extra_flags=("--max-model-len", "4096"))
    assert vllm_command(config, 8000)[-2:] == ["--max-model-len", "4096"]


def test_only_a_model_folder_is_served_without_the_hub(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("PYTHONPATH", "somewhere")
    folder = vllm_environment(VllmServerConfig(model=str(checkpoint)))
    named = vllm_environment(VllmServerConfig(model="Qwen/Qwen3-VL-8B-Instruct"))
    assert folder["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in named
    assert "PYTHONPATH" not in named


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_command_stops_cleanly_when_told(tmp_path: Path, checkpoint: Path, number: signal.Signals) -> None:
    words = ["vllm", "--model", str(checkpoint), "--port", "0", "--venv", str(environment_with(SERVES, tmp_path))]
    process = subprocess.Popen(
        [sys.executable, "-m", "ditto_models.serve", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    child = int(next(line for line in lines if line.startswith("child")).split()[1])
    assert str(checkpoint) in next(line for line in lines if line.startswith("ready"))
    os.kill(process.pid, number)
    assert (process.communicate(timeout=20)[1], process.returncode) == ("", 0)
    assert ended(child)


def test_command_reports_an_error_in_one_line(tmp_path: Path) -> None:
    words = ["vllm", "--model", "absent", "--venv", str(environment_with(DIES, tmp_path))]
    done = subprocess.run([sys.executable, "-m", "ditto_models.serve", *words], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "no model folder 'absent'" in done.stderr
