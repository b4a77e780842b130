"""python -m agent.chat, driven by a pipe as a script would."""

import io
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from agent.conversation.worker_log import last_line
from agent.conversation.worker_process import WorkerProcess
from ditto_models import assets, video
from memory.dataset import read_metadata
from memory.ledger import Ledger
from memory.owner import holder
from tests.commands import ROOT, call, line_of
from tests.fake_run import make_clips
from tests.fake_talk import talk_session

pytestmark = pytest.mark.slow  # processes
TINY = ("clips.frames=17", "clips.max_width=192", "clips.max_height=108", "clips.min_height=100", "clips.checks=[]")


def started(*arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "agent.chat", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_person_cancels_goes_on_leaves_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    with talk_session(run, make_clips(tmp_path / "clips")):
        pass
    worker = WorkerProcess(run, "tests.fake_talk")
    worker.see_to(patient=False)
    chat = started(1, "--out", run)
    assert chat.stdin is not None
    assert chat.stdout is not None
    chat.stdin.write("slow snow\n")
    chat.stdin.flush()
    before: list[str] = []
    while not before or "... thinking of edits" not in before[-1]:
        before.append(chat.stdout.readline())
        assert before[-1], "it ended"
    chat.send_signal(signal.SIGINT)
    after, error = chat.communicate("rain\nhelp\nthe second\n", timeout=60)
    assert (chat.returncode, error) == (0, "")
    assert "cancelling" in after
    assert "1. rain 0" in after
    assert "side by side: " in after
    assert "yes makes the video of 2" in after
    sample_id = next(line.split()[1].rstrip(",") for line in before if line.startswith("conversation "))
    assert after.splitlines()[-1].endswith(f"--out {run} --continue {sample_id}")
    assert len(list((run / "talks" / sample_id).glob("*.png"))) == 1
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        tools = [event.tool for event in ledger.events(sample_id)]
    assert tools[3:] == ["say", "cancel", "say", "propose_edits", "preview_edits", "choose"]

    monkeypatch.setattr("sys.stdin", io.StringIO("generate it\nkeep it\n"))
    back = call("agent.chat", "--out", run, "--continue", sample_id)
    assert (back.returncode, back.stderr) == (0, "")
    assert "the critic says: accepted" in back.stdout
    assert f"kept: the pair {sample_id} is in {run}/dataset" in " ".join(back.stdout.split())
    assert [line["id"] for line in read_metadata(run / "dataset")] == [sample_id]
    again = call("agent.chat", "--out", run, "--continue", sample_id)
    assert again.returncode == 2
    assert "has ended; begin another one" in line_of(again.stderr)
    os.kill(int(holder(run).split()[1]), signal.SIGTERM)
    while last_line(run)[1] != "ended: it was told to stop":
        time.sleep(0.05)


def test_a_wish_for_a_file_of_ones_own_becomes_a_pair_on_the_embedded_profile(tmp_path: Path) -> None:
    window = video.read_window(assets.ensure("bigbuckbunny"), 1.0, None, 27, 192, 108)
    video.write(tmp_path / "mine.mp4", window.frames, window.fps)
    (tmp_path / "clips").mkdir()
    run = tmp_path / "run"
    chat = started(tmp_path / "mine.mp4", "--out", run, "--clips", tmp_path / "clips", *TINY)
    out, error = chat.communicate("make it look like an old sepia photo\n1\nyes\nkeep it\n", timeout=240)
    assert (chat.returncode, error) == (0, ""), out
    [line] = read_metadata(run / "dataset")
    assert f"kept: the pair {line['id']} is in" in out
    assert str(line["clip_uri"]).startswith("uploads/")
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        assert not list(ledger.sources.fates()), "a person's file is none of the run's"
        row = ledger.row(str(line["id"]))
    assert row is not None
    assert row.sample.wish == "make it look like an old sepia photo"
    assert row.sample.consent


def test_what_does_not_fit_is_told_in_a_line(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with talk_session(run, make_clips(tmp_path / "clips")):
        pass
    for arguments, problem in (
        (["nothing.mp4"], "'nothing.mp4': this is not a file"),
        (["99"], "this run has no clip number 99"),
        (["--continue", "talk-0"], "there is no conversation 'talk-0' in this run"),
        (["--seed", "3"], "was begun with another configuration (seed"),
        (["--profile", "nonsense"], "nonsense"),
    ):
        done = call("agent.chat", "--out", run, *arguments)
        assert done.returncode == 2, done.stderr
        assert problem in line_of(done.stderr)
    done = call("agent.chat", "--out", tmp_path / "new", "--profile", "nonsense")
    assert done.returncode == 2
    assert not (tmp_path / "new").exists()
