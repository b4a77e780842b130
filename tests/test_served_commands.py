"""A command that asks served models and cannot work: one line, quickly, and no run left behind."""

import importlib.util
from pathlib import Path

import pytest

from tests.commands import call, line_of
from tests.scripted_server import ScriptedServer

EMBEDDED_BY_SERVER = ("embedder.kind=vllm", "servers.embeddings.model=vectors")


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    "where",
    [("--profile", "served"), EMBEDDED_BY_SERVER],
    ids=["chat", "embeddings"],
)
def test_without_a_server_no_run_is_begun(
    where: tuple[str, ...], clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_BASE_URL", "http://127.0.0.1:9/v1")
    done = call("agent.run", "--target", "1", "--clips", clips, "--out", tmp_path / "run", *where)
    assert done.returncode == 1
    assert "http://127.0.0.1:9/v1" in line_of(done.stderr)
    assert "ditto_models.serve vllm --model" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_wrong_model_name_is_mended_by_naming_the_right_one(clips: Path, tmp_path: Path) -> None:
    with ScriptedServer() as server:
        again = ("agent.run", "--profile", "served", "--target", "1", "--clips", clips, "--out", tmp_path / "run")
        where = f"servers.vlm.base_urls={server.base_url}"
        assert "serves 'scripted', not" in line_of(call(*again, where).stderr)
        mended = call(*again, where, "servers.vlm.model=scripted")
    assert mended.returncode == 3, mended.stderr  # there is no clip in that folder


@pytest.mark.parametrize("where", [("--profile", "served"), EMBEDDED_BY_SERVER], ids=["chat", "embeddings"])
def test_without_the_client_the_line_says_how_to_install_it(
    where: tuple[str, ...], clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "langchain_openai" else find(name, *rest)
    )
    done = call("agent.run", "--target", "1", "--clips", clips, "--out", tmp_path / "run", *where)
    assert done.returncode == 2
    assert "client is not installed (langchain_openai)" in line_of(done.stderr)
    assert "'.[vllm]'" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_password_in_an_address_is_refused_and_not_repeated(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_BASE_URL", "http://me:secret@127.0.0.1:9/v1")
    done = call("agent.run", "--profile", "served", "--target", "1", "--clips", clips, "--out", tmp_path / "run")
    assert done.returncode == 2
    assert "an address holds a password; give it as api_key" in line_of(done.stderr)
    assert "secret" not in done.stderr
