"""The process that owns a run while people talk: started when needed, once, and started again when it was killed."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from agent.conversation.client import Conversations
from agent.conversation.handing_over import is_asked_for, taken_over
from agent.conversation.worker_log import last_line
from agent.conversation.worker_process import WorkerProcess
from memory.ledger import Ledger
from memory.owner import Owner, holder, this_process
from memory.talk import Given
from tests.commands import ROOT
from tests.fake_run import make_clips
from tests.fake_talk import talk_session

pytestmark = pytest.mark.slow  # processes
FAKE = "tests.fake_talk"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    run = tmp_path / "run"
    with talk_session(run, make_clips(tmp_path / "clips")):
        pass
    yield run
    if pid := pid_of(run):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def ledger(run: Path) -> Iterator[Ledger]:
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        yield ledger


def pid_of(run: Path) -> int:
    return int(holder(run).split()[1]) if holder(run) else 0


def until(found: Callable[[], object], seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)


def test_two_people_have_one_worker_that_is_killed_goes_on_and_makes_room_for_a_campaign(
    run: Path, ledger: Ledger
) -> None:
    clients = [Conversations(run, ledger, WorkerProcess(run, FAKE)) for _ in range(2)]
    begun: dict[int, str] = {}

    def begin(place: int) -> None:
        begun[place] = clients[place].begin(Given(clip_number=1), "slow snow")

    threads = [threading.Thread(target=begin, args=(place,)) for place in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: clients[0].status(begun[0]).stage == "described")
    status = clients[0].status(begun[0])
    assert (status.working, status.tool) == (True, "propose_edits")
    assert (run / "talk.log").read_text().count("serving") == 1

    first = pid_of(run)
    os.kill(first, signal.SIGKILL)
    until(lambda: not any(client.status(begun[place]).working for place, client in enumerate(clients)))
    assert pid_of(run) not in (0, first)
    for sample_id in begun.values():
        tools = Counter(event.tool for event in ledger.events(sample_id))
        assert tools.pop("resume", 0) == 1 or sample_id != begun[0]
        steps = ("begin", "sample_clip", "describe_clip", "propose_edits", "preview_edits")
        assert tools == dict.fromkeys(steps, 1)
        assert len(clients[0].sample(sample_id).proposals) == 2

    said: list[str] = []
    with taken_over(run, said.append) as is_owned, Owner(run):
        assert last_line(run)[1] == "ended: a campaign carries the conversations on"
        assert "conversations are held in this run" in said[0]
        is_owned(ledger)
        assert not ledger.open_commands()


def test_a_worker_that_cannot_start_says_why_and_one_that_was_left_ends_its_work_first(
    run: Path, ledger: Ledger
) -> None:
    client = Conversations(run, ledger, WorkerProcess(run, FAKE))
    with Owner(run):
        sample_id = client.begin(Given(clip_number=1), "slow snow")
        assert client.status(sample_id).working
        assert not (run / "talk.log").exists(), "somebody owns the run"
    config = run / "config.yaml"
    kept = config.read_text()
    config.write_text(kept.replace("profile_name", "nonsense"))
    client.wake()
    until(lambda: client.status(sample_id).problem)
    assert "config.yaml' is damaged" in client.status(sample_id).problem
    assert (run / "talk.log").read_text().count("starting") == 1, "it is not tried all the time"
    config.write_text(kept)
    alone = [sys.executable, "-m", FAKE, str(run), "--starter", "1"]
    done = subprocess.run(alone, cwd=ROOT, capture_output=True, text=True, timeout=90, check=True)
    assert done.stdout.splitlines()[-1] == "ended: the one who started it is gone, and nothing is under way"
    assert (client.status(sample_id).stage, len(client.sample(sample_id).proposals)) == ("awaiting_person", 2)


def test_a_worker_that_the_disk_has_no_room_to_start_is_told_of_and_the_order_stays(
    run: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(subprocess, "Popen", full)
    client = Conversations(run, ledger, WorkerProcess(run, FAKE))
    status = client.status(client.begin(Given(clip_number=1)))
    assert (status.working, "No space left on device" in status.problem) == (True, True)
    assert len(ledger.open_commands()) == 1


def test_a_campaign_that_is_killed_while_it_waits_leaves_nobody_waiting(run: Path) -> None:
    asks = (
        "import os, sys; from pathlib import Path; from agent.conversation import handing_over;"
        "handing_over.is_served = lambda run: True; handing_over.GLANCE_SECONDS = 0.0;"
        "handing_over.time.sleep = lambda seconds: os.kill(os.getpid(), 9);"
        "handing_over.taken_over(Path(sys.argv[1]), print).__enter__()"
    )
    killed = subprocess.run([sys.executable, "-c", asks, str(run)], check=False)
    assert killed.returncode == -signal.SIGKILL
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        [(number, order)] = ledger.open_commands()
        assert order["kind"] == "hand_over"
        assert not is_asked_for(ledger)
        assert ledger.command(number) == "refused: the campaign that asked for it is gone"
        ledger.add_command(order | {"by": this_process()})
        assert is_asked_for(ledger)
