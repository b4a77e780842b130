"""The studio's pages over a run on fakes, asked without a browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.fake_run import make_clips, run_fake
from tests.studio_client import studio_client


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studio")
    run_fake(folder / "run", make_clips(folder / "clips"), target=2)
    return folder / "run"


@pytest.fixture(scope="module")
def client(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with studio_client(run, scratch=tmp_path_factory.mktemp("s"), read_only=True) as asking:
        yield asking


def test_a_sample_is_shown_and_what_is_not_there_is_said(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "accepted" in page.text
    missing = client.get("/runs/run/samples/nobody")
    assert (missing.status_code, "there is no sample" in missing.text) == (404, True)
    assert client.get("/runs/other/campaign").status_code == 404


def test_a_video_is_given_in_ranges(client: TestClient, run: Path) -> None:
    video = next((run / "artifacts").rglob("*.mp4"))
    part = client.get(f"/runs/run/media/{video.parent.name}{video.name}", headers={"Range": "bytes=0-9"})
    assert (part.status_code, len(part.content)) == (206, 10)
    assert client.get(f"/runs/run/media/{'0' * 64}.mp4").status_code == 404
