"""Vectors over HTTP: a small server that misbehaves, and the real one with a tiny model."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from agent.context import build_embedder
from agent.profile import Component, ServerGroup
from ditto_models.vllm_embedder import EmbedderError, VllmEmbedder, VllmEmbedderConfig
from ditto_models.vllm_server import VllmServer, VllmServerConfig
from ditto_models.vllm_servers import ServersConfig
from tests.fake_run import fake_models, fake_profile, make_clips, run_fake
from tests.tiny_checkpoints import tiny_checkpoint
from tests.vllm_server import environment_of_vllm

Vectors = Callable[[list[str]], list[list[float]]]
QUICK = VllmEmbedderConfig(patience_seconds=0)


@contextmanager
def serving(vectors: Vectors, *statuses: int) -> Iterator[str]:
    """An address that answers with these vectors, last one first, after it has failed with each of the statuses."""
    failures = list(statuses)

    class Embeddings(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            data = [{"index": index, "embedding": each} for index, each in enumerate(vectors(asked["input"]))]
            status = failures.pop(0) if failures else 200
            body = json.dumps({"data": data[::-1], "model": "tiny", "usage": {}} if status == 200 else {"error": "no"})
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Embeddings) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()


def embedder(*addresses: str, config: VllmEmbedderConfig | None = None) -> VllmEmbedder:
    return VllmEmbedder(ServersConfig(base_urls=addresses, model="tiny"), config)


def letters(texts: list[str]) -> list[list[float]]:
    return [[float(len(text)), 4.0, 0.0] for text in texts]


def test_vectors_are_unit_and_in_the_order_of_the_texts() -> None:
    with serving(letters) as address:
        vectors = embedder(address).embed(["abc", "", *["abc"] * 300])
    assert np.allclose(vectors[0], [0.6, 0.8, 0])
    assert np.allclose(vectors[1], [0, 1, 0])
    assert vectors.shape == (302, 3)


def test_a_busy_server_is_asked_again_and_a_dead_one_left() -> None:
    with serving(letters, 503, 429) as address:
        assert len(embedder("http://127.0.0.1:9/v1", address).embed(["abc"])) == 1


@pytest.mark.parametrize(
    ("vectors", "config", "said"),
    [
        (letters, VllmEmbedderConfig(dimensions=4), "3.* dimensions; expected 1 vectors of 4"),
        (lambda texts: [], QUICK, "No embedding data"),
        (lambda texts: [[0.0, 0.0]], QUICK, "zero or not finite"),
        (lambda texts: [[float("nan"), 1.0]], QUICK, "zero or not finite"),
    ],
)
def test_vectors_that_cannot_be_used_are_refused(vectors: Vectors, config: VllmEmbedderConfig, said: str) -> None:
    with serving(vectors) as address, pytest.raises(EmbedderError, match=said):
        embedder(address, config=config).embed(["abc"])


def test_a_server_that_is_not_there_is_told_in_one_line() -> None:
    with pytest.raises(EmbedderError, match=r"127.0.0.1:9/v1: Connection error.*serve vllm --model tiny --emb") as told:
        embedder("http://127.0.0.1:9/v1", config=QUICK).embed(["abc"])
    assert "\n" not in str(told.value)


def test_a_run_without_vectors_ends_and_resumes_with_every_sample(tmp_path: Path) -> None:
    profile, clips, run = fake_profile(), make_clips(tmp_path / "clips"), tmp_path / "run"
    dead = replace(fake_models(profile), embedder=embedder("http://127.0.0.1:9/v1", config=QUICK))
    with pytest.raises(EmbedderError, match=r"ditto_models\.serve vllm --model"):
        run_fake(run, clips, target=2, profile=profile, models=dead)
    with serving(lambda texts: [[float(word) for word in sha256(text.encode()).digest()] for text in texts]) as address:
        alive = replace(dead, embedder=embedder(address))
        outcome, decided = run_fake(run, clips, target=2, profile=profile, models=alive)
    assert outcome == "target met"
    assert {sample.decision for sample in decided} == {"accepted"}


@pytest.mark.soak
def test_a_real_server_gives_vectors(tmp_path: Path) -> None:
    venv = environment_of_vllm()
    model = str(tiny_checkpoint(venv, "qwen3_vl"))
    config = VllmServerConfig(model=model, served_model_name="tiny", embeddings=True, port=0, venv=venv, cpu=True)
    with (tmp_path / "server.log").open("w") as log, VllmServer(config, log) as server:
        group = ServerGroup(base_urls=(server.base_url,), model=server.model)
        built = build_embedder(Component(kind="vllm"), {"embeddings": group})
        vectors = built.embed(["Make it night.", "SNOW, 7", "Make it night."])
        assert vectors.shape == (3, built.dimensions)
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
        same, other = (float(np.abs(vectors[0] - vectors[index]).max()) for index in (2, 1))
        assert same < 0.01 < other
