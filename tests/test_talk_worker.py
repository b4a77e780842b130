"""The process that owns a run while people talk: started when needed, once, and started again when it was killed."""

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
from agent.conversation.handing_over import taken_over
from agent.conversation.moves import Move
from agent.conversation.worker_log import last_line
from agent.conversation.worker_process import WorkerProcess
from memory.ledger import Ledger
from memory.owner import Owner, holder
from memory.talk import Given
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
def client(run: Path) -> Iterator[Conversations]:
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        yield Conversations(run, ledger, WorkerProcess(run, FAKE))


def pid_of(run: Path) -> int:
    return int(holder(run).split()[1]) if holder(run) else 0


def until(found: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)


def served(run: Path) -> int:
    return (run / "talk.log").read_text().count("serving conversations")


def test_a_killed_worker_is_started_again_and_does_each_thing_once(run: Path, client: Conversations) -> None:
    sample_id = client.begin(Given(clip_number=1))
    until(lambda: not client.status(sample_id).working)
    client.hear(sample_id, "slow snow")
    until(lambda: client.status(sample_id).stage == "described")
    status = client.status(sample_id)
    assert (status.working, status.tool) == (True, "propose_edits")
    first = pid_of(run)
    os.kill(first, signal.SIGKILL)
    until(lambda: not client.status(sample_id).working)
    assert pid_of(run) not in (0, first)
    with closing(Ledger(run / "ledger.sqlite", read_only=True)) as ledger:
        events = Counter(event.tool for event in ledger.events(sample_id))
        row = ledger.row(sample_id)
    assert row is not None
    assert (row.sample.stage, len(row.sample.proposals)) == ("awaiting_person", 2)
    assert set(events.values()) == {1}
    assert set(events) == {"begin", "sample_clip", "describe_clip", "say", "propose_edits", "preview_edits"}


def test_two_clients_at_once_have_one_worker_that_makes_room_for_a_campaign(run: Path) -> None:
    def talk(found: list[str]) -> None:
        with closing(Ledger(run / "ledger.sqlite")) as ledger:
            client = Conversations(run, ledger, WorkerProcess(run, FAKE))
            sample_id = client.begin(Given(clip_number=1), "snow")
            until(lambda: not client.status(sample_id).working)
            found.append(client.sample(sample_id).stage)

    found: list[str] = []
    both = [threading.Thread(target=talk, args=(found,)) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(60)
    assert found == ["awaiting_person"] * 2
    assert served(run) == 1
    said: list[str] = []
    with taken_over(run, said.append) as is_owned, Owner(run), closing(Ledger(run / "ledger.sqlite")) as ledger:
        assert last_line(run)[1] == "ended: a campaign carries the conversations on"
        assert "conversations are held in this run" in said[0]
        is_owned(ledger)
        assert not ledger.open_commands()


def test_a_worker_whose_starter_is_gone_ends_its_work_first(run: Path, client: Conversations) -> None:
    starter = (
        "import sys, time; from pathlib import Path; from agent.conversation.client import Conversations;"
        "from agent.conversation.worker_process import WorkerProcess; from memory.ledger import Ledger;"
        "from memory.talk import Given; run = Path(sys.argv[1]);"
        f"client = Conversations(run, Ledger(run / 'ledger.sqlite'), WorkerProcess(run, {FAKE!r}));"
        "print(client.begin(Given(clip_number=1), 'slow snow'))"
    )
    done = subprocess.run([sys.executable, "-c", starter, str(run)], capture_output=True, text=True, check=True)
    sample_id = done.stdout.strip()
    until(lambda: "ended: " in (run / "talk.log").read_text())
    assert "the one who started it is gone" in (run / "talk.log").read_text()
    assert client.sample(sample_id).stage == "awaiting_person"
    assert len(client.sample(sample_id).proposals) == 2


def test_a_run_that_somebody_owns_gets_no_worker_and_one_that_cannot_start_says_why(
    run: Path, client: Conversations
) -> None:
    with Owner(run):
        sample_id = client.begin(Given(clip_number=1))
        assert client.status(sample_id).working
        time.sleep(0.3)
        assert not (run / "talk.log").exists()
    config = run / "config.yaml"
    kept = config.read_text()
    config.write_text(kept.replace("profile_name", "nonsense"))
    client.wake()
    until(lambda: client.status(sample_id).problem)
    assert "config.yaml' is damaged" in client.status(sample_id).problem
    time.sleep(0.3)
    assert (run / "talk.log").read_text().count("starting") == 1, "it is not tried all the time"
    config.write_text(kept)
    client.move(client.begin(Given(clip_number=1)), Move(call="cancel"))
    until(lambda: client.status(sample_id).stage == "awaiting_person")
    os.kill(pid_of(run), signal.SIGTERM)
    until(lambda: last_line(run)[1] == "ended: it was told to stop")
