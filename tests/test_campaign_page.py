"""The campaign page without a browser: what it shows of runs of all ages, orders, and the health of servers."""

import json
import re
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
import yaml
from fastapi.testclient import TestClient

from agent.profile import load_profile
from agent.run_config import RunConfig
from agent.studio import server_health
from agent.studio.__main__ import main
from agent.studio.server_health import health_of
from memory.jobs import Job, Progress, Quota, TrainingCall, TypeScore
from memory.ledger import Ledger
from memory.owner import Owner
from tests.fake_run import make_clips, run_fake
from tests.studio_client import studio_client
from tests.test_campaign_figures import session

HOSTILE = "</script><script>alert(1)</script>"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("campaign")
    run_fake(folder / "run", make_clips(folder / "clips"), target=3)
    return folder / "run"


@pytest.fixture(scope="module")
def client(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with studio_client(run, scratch=tmp_path_factory.mktemp("s")) as asking:
        yield asking


def charts(page: str) -> dict[str, object]:
    found = re.findall(r'<script type="application/json" id="data-([a-z]+)">(.*?)</script>', page, re.DOTALL)
    return {name: json.loads(text) for name, text in found}


def test_a_finished_run_has_its_figures_each_with_words_and_a_table(client: TestClient) -> None:
    page = client.get("/runs/run/campaign").text
    assert {"rounds", "cost", "funnel", "time", "kinds"} <= set(charts(page))
    for name in ("rounds", "cost", "funnel", "time", "kinds"):
        assert f'id="title-{name}"' in page
        assert f'id="table-{name}"' in page
    assert charts(page)["rounds"]["labels"] == ["1.1 (3)"]  # type: ignore[index]
    assert "session 1: target met" in page
    assert "Pause</button>" not in page, "nothing runs that could be paused"
    assert "style=" not in page


def test_parts_are_asked_for_again_and_figures_only_when_they_changed(client: TestClient) -> None:
    progress = client.get("/runs/run/campaign/progress")
    assert (progress.status_code, "<html" in progress.text, "3</span> of 3" in progress.text) == (200, False, True)
    figures = client.get("/runs/run/campaign/figures").text
    seen = re.search(r'id="seen" name="seen" value="(\w+)"', figures)
    assert seen
    assert client.get("/runs/run/campaign/figures", params={"seen": seen[1]}).status_code == 204
    assert client.get("/runs/run/campaign/figures", params={"seen": "another"}).status_code == 200


def test_a_training_is_followed_though_no_sample_moves_meanwhile(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    job = Job(id="job-0001", why="end", recipe="tiny", overrides=[], accepted=3, steps=40, status="running")
    with (
        closing(Ledger(tmp_path / "run" / "ledger.sqlite")) as ledger,
        studio_client(tmp_path / "run", scratch=tmp_path / "s") as client,
    ):

        def figures_since(seen: str) -> tuple[str, str]:
            found = client.get("/runs/run/campaign/figures", params={"seen": seen})
            new = re.search(r'id="seen" name="seen" value="(\w+)"', found.text)
            return found.text, new[1] if new else seen

        _, seen = figures_since("")
        ledger.jobs.put(job)
        assert "job-0001</span> trains the editor: running" in client.get("/runs/run/campaign/progress").text
        shown, seen = figures_since(seen)
        assert "running, recipe tiny, 40 steps" in shown
        made = Progress(step=5, steps=40, loss=0.5, seconds_left=70.0, at="")
        ledger.jobs.put(job.model_copy(update={"progress": made}))
        shown, seen = figures_since(seen)
        assert "step 5 of 40, loss 0.5000, 70 s left" in shown
        found = {"style": TypeScore(pairs=8, passed=0.25)}
        quota = Quota(weights={"style": 1.25}, uses={})
        ledger.jobs.put(job.model_copy(update={"status": "done", "evaluation": found, "quota": quota}))
        shown, seen = figures_since(seen)
        assert "2 of 8 evaluated pairs passed" in shown
        assert all(f'<td class="number">{value}</td>' in shown for value in ("8", "25%", "1.25"))
        ledger.jobs.add_call(
            TrainingCall(why="end", accepted=3, tool="decline_training", arguments={}, by="planner", note="too <few>")
        )
        assert "Training last offered at 3 pairs: too &lt;few&gt;" in figures_since(seen)[0]
        assert "trains the editor" not in client.get("/runs/run/campaign/progress").text


def test_an_order_that_nobody_would_take_is_refused_in_words(client: TestClient, run: Path) -> None:
    refused = client.post("/runs/run/campaign/pause", data={"action": "pause"})
    assert refused.status_code == 409
    assert "nobody runs this campaign now; the command that goes on with it is: python -m agent.run" in refused.text
    assert client.post("/runs/run/campaign/pause", data={"action": "explode"}).status_code == 422
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        assert ledger.open_commands() == []


def test_a_running_campaign_can_be_paused_but_not_by_who_only_reads(run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(run, tmp_path / "run")
    with Owner(run), closing(Ledger(run / "ledger.sqlite")) as ledger:
        words = (run / "owner.lock").read_text().split()
        ledger.sessions.begin(session(0, 2, pid=int(words[1]), host=words[3], state="paused"))
        with studio_client(run, scratch=tmp_path, read_only=True) as asking:
            page = asking.get("/runs/run/campaign").text
            assert (">Paused</b>" in page, "Go on</button>" in page) == (True, False)
            assert asking.post("/runs/run/campaign/pause", data={"action": "resume"}).status_code == 403
        with studio_client(run, scratch=tmp_path) as asking:
            assert "Go on</button>" in asking.get("/runs/run/campaign").text
            done = asking.post("/runs/run/campaign/pause", data={"action": "resume"}, follow_redirects=False)
            assert (done.status_code, done.headers["location"]) == (303, "/runs/run/campaign?ordered=resume")
        assert [payload for _, payload in ledger.open_commands()] == [{"kind": "resume"}]


def test_a_fresh_run_says_that_there_is_nothing_yet_and_words_stay_words(tmp_path: Path) -> None:
    run = tmp_path / "fresh"
    run.mkdir()
    config = RunConfig(profile_name="embedded", seed=0, clips="clips", profile=load_profile("embedded", []))
    (run / "config.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")))
    with closing(Ledger(run / "ledger.sqlite")), studio_client(run, scratch=tmp_path) as asking:
        assert "Not begun" in asking.get("/runs/fresh/campaign").text
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        ledger.sessions.begin(session(0, 1, outcome=HOSTILE, ended_at="2026-01-01T00:00:00+00:00", command=HOSTILE))
    with studio_client(run, scratch=tmp_path) as asking:
        page = asking.get("/runs/fresh/campaign").text
        assert "There is nothing to count yet" in page
        assert HOSTILE not in page
        assert "alert(1)" in page
        part = ""
        limit = time.monotonic() + 30
        while "No instruction has been written yet" not in part and time.monotonic() < limit:
            part = asking.get("/runs/fresh/campaign/map").text
        assert "No instruction has been written yet" in part
        assert "uses no servers" in asking.get("/runs/fresh/campaign/servers").text


def test_a_run_that_has_samples_but_never_had_a_session_has_its_page(run: Path, tmp_path: Path) -> None:
    """As one that was only talked to, or that an earlier program made."""
    shutil.copytree(run, tmp_path / "talked")
    with closing(sqlite3.connect(tmp_path / "talked" / "ledger.sqlite")) as rows:
        rows.execute("DELETE FROM sessions")
        rows.commit()
    with studio_client(tmp_path / "talked", scratch=tmp_path) as asking:
        answer = asking.get("/")
        assert answer.status_code == 200
        assert "No session is on record" in answer.text


@pytest.mark.slow
def test_the_map_is_made_by_the_runs_own_embedder_beside_the_pages(client: TestClient) -> None:
    limit = time.monotonic() + 120
    page = client.get("/runs/run/campaign/map").text
    while "is being made" in page:
        assert time.monotonic() < limit
        time.sleep(0.2)
        page = client.get("/runs/run/campaign/map").text
    chart = charts(page)["map"]
    points = [point for series in chart["series"] for point in series["points"]]  # type: ignore[index]
    assert len(points) == 3
    assert max(max(abs(point[0]), abs(point[1])) for point in points) == 1.0
    assert all(point[3] == "accepted" for point in points)


class Talks(BaseHTTPRequestHandler):
    """A server of one model with five requests waiting; under /away it sends people elsewhere."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/away"):
            self.send_response(302)
            self.send_header("Location", "/v1/models")
            self.end_headers()
            return
        metrics = b'vllm:num_requests_waiting{engine="0"} 5.0\n'
        body = metrics if self.path == "/metrics" else json.dumps({"data": [{"id": "tiny"}]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


def test_servers_are_asked_all_at_once_and_sent_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_health, "PATIENCE_SECONDS", 1.0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Talks) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        here = f"http://127.0.0.1:{server.server_port}"
        given = f"servers.vlm.base_urls={here}/v1,{here}/away,http://127.0.0.1:9/v1"
        profile = load_profile("served", [given, "servers.vlm.model=tiny"])
        up, away, dead = health_of(profile).servers
        server.shutdown()
    assert (up.problem, up.serves, up.waiting) == ("", ("tiny",), 5)
    assert "answers 302" in away.problem
    assert Talks.asked.count("/v1/models") == 1, "the redirect was followed"
    assert "does not answer" in dead.problem
    assert not health_of(load_profile("embedded", [])).uses_servers


@pytest.mark.slow
def test_a_copy_of_the_page_has_everything_in_it(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    assert main([str(run), "--bundle", str(copy)]) == 0
    page = (copy / "runs" / "run" / "campaign.html").read_text()
    assert len(charts(page)) == 6
    assert "map" in charts(page)
    assert "hx-get" not in page
    assert "python -m agent.run" not in page
