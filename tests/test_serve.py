"""How a vLLM server is started, watched and stopped, with a small script in the place of the `vllm` command."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ditto_models.serve import main
from ditto_models.vllm_flags import vllm_command, vllm_environment
from ditto_models.vllm_server import VllmServer, VllmServerConfig, VllmServerError
from ditto_models.vllm_template import WITH_TOOLS

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
    (folder / "config.json").write_text('{"model_type": "qwen3_vl", "text_config": {"num_attention_heads": 12}}')
    (folder / "chat_template.jinja").write_text("{% if tools %}...")
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
    with VllmServer(VllmServerConfig(model=str(checkpoint), cpu=True, port=0, venv=venv), log) as server:
        assert server.base_url.startswith("http://127.0.0.1:")
        assert not server.base_url.endswith(":0/v1")
        assert server.model == str(checkpoint)
    assert ended(int(log.getvalue().split()[1]))


def test_server_that_dies_while_starting_is_reported_with_its_last_words(tmp_path: Path, checkpoint: Path) -> None:
    config = VllmServerConfig(model=str(checkpoint), cpu=True, port=0, venv=environment_with(DIES, tmp_path))
    with pytest.raises(VllmServerError, match=r"(?s)while starting \(status 1\).*loading weights.*no such kernel"):
        VllmServer(config, io.StringIO()).__enter__()


def test_server_that_is_never_ready_is_stopped(tmp_path: Path, checkpoint: Path) -> None:
    venv = environment_with("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)", tmp_path)
    log = io.StringIO()
    config = VllmServerConfig(model=str(checkpoint), cpu=True, port=0, venv=venv, ready_timeout_seconds=1)
    with pytest.raises(VllmServerError, match="not ready after 1 s"):
        VllmServer(config, log).__enter__()
    assert ended(int(log.getvalue()))


def test_port_of_another_server_is_refused(tmp_path: Path, checkpoint: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        config = VllmServerConfig(model=str(checkpoint), cpu=True, port=port, venv=environment_with(DIES, tmp_path))
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


@pytest.mark.parametrize(
    ("model_type", "template", "passed"),
    [
        ("qwen3_vl", {"chat_template": "{% if tools %}"}, None),
        ("qwen2_5_vl", {"chat_template": "no such thing"}, WITH_TOOLS),
        ("qwen2_5_vl", {"chat_template": [{"name": "default", "template": "{{ tools }}"}]}, None),
        ("qwen2_5_vl", {}, WITH_TOOLS),
    ],
)
def test_ours_is_passed_where_the_checkpoint_has_no_tools_in_its_chat_template(
    tmp_path: Path, model_type: str, template: dict[str, object], passed: Path | None
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(template))
    command = vllm_command(VllmServerConfig(model=str(tmp_path)), 8000)
    assert ("--chat-template" in command) == (passed is not None)
    assert passed is None or command[command.index("--chat-template") + 1] == str(passed)


def test_a_template_without_tools_that_ours_cannot_stand_in_for_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    (checkpoint / "chat_template.jinja").write_text("no such thing")
    config = VllmServerConfig(model=str(checkpoint), cpu=True, port=0, venv=environment_with(DIES, tmp_path))
    with pytest.raises(VllmServerError, match=r"qwen3_vl\) has no tools; give one"):
        VllmServer(config, io.StringIO()).__enter__()
    own = VllmServerConfig(model=str(checkpoint), extra_flags=("--chat-template=mine.jinja",))
    assert vllm_command(own, 8000)[-1] == "--chat-template=mine.jinja"


@pytest.mark.parametrize(("name", "passed"), [("Qwen/Qwen2.5-VL-7B-Instruct", True), ("Qwen/Qwen3-VL-8B", False)])
def test_ours_is_passed_for_names_on_the_hub_that_need_it(name: str, passed: bool) -> None:
    assert ("--chat-template" in vllm_command(VllmServerConfig(model=name), 8000)) == passed


def test_an_embedding_model_gets_no_flags_of_a_chat(checkpoint: Path) -> None:
    command = vllm_command(VllmServerConfig(model=str(checkpoint), embeddings=True), 8000)
    assert command[command.index("--runner") + 1] == "pooling"
    assert not {"--tool-call-parser", "--limit-mm-per-prompt", "--max-model-len"} & set(command)


@pytest.mark.parametrize(
    ("visible", "gpus", "said"),
    [
        ("", 1, "no GPU is visible"),
        ("-1", 1, "no GPU is visible"),
        ("0,1", 3, "expected 1 to 2"),
        ("0,1", 0, "expected 1 to 2"),
        ("0,1,2,3,4", 5, "does not divide the model's 12 attention heads"),
    ],
)
def test_gpus_are_counted_before_the_start(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, visible: str, gpus: int, said: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    config = VllmServerConfig(model=str(checkpoint), gpus=gpus, port=0, venv=environment_with(DIES, tmp_path))
    with pytest.raises(VllmServerError, match=said):
        VllmServer(config, io.StringIO()).__enter__()


def test_what_vllm_says_of_memory_is_followed_by_what_to_do(tmp_path: Path, checkpoint: Path) -> None:
    script = "import sys\nprint('ValueError: No available memory for the cache blocks.')\n" + "print()\n" * 40
    venv = environment_with(script + "sys.exit(1)", tmp_path)
    config = VllmServerConfig(model=str(checkpoint), cpu=True, port=0, venv=venv)
    with pytest.raises(VllmServerError, match="it does not fit: lower --max-model-len"):
        VllmServer(config, io.StringIO()).__enter__()


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
    words = [
        "vllm",
        "--cpu",
        "--model",
        str(checkpoint),
        "--port",
        "0",
        "--venv",
        str(environment_with(SERVES, tmp_path)),
    ]
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


@pytest.mark.parametrize(
    "arguments",
    [("--gpus", "0"), ("--max-model-len", "0"), ("--images-per-prompt", "-3"), ("--videos-per-prompt", "x")],
)
def test_a_number_that_vllm_would_break_on_is_refused_before_it_starts(
    arguments: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["vllm", "--model", "any/model", *arguments])
    assert f"argument {arguments[0]}: {arguments[1]!r} is not a whole number" in capsys.readouterr().err
