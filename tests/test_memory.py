"""Ledger, artifacts, instruction memory and the owner's lock, on real files."""

import asyncio
import multiprocessing
import os
import sqlite3
import time
from multiprocessing.synchronize import Event as Event_
from pathlib import Path

import pytest

from memory.artifacts import ArtifactStore
from memory.group_commit import GroupCommit, LedgerError
from memory.instructions import DuplicateInstruction, InstructionMemory
from memory.ledger import Ledger
from memory.owner import Owner, RunIsOwned
from memory.sample import Clip, Event, Instruction, Sample
from memory.source_table import Fate, Found, NewClip, Source
from memory.tail import Tail
from tests.fakes import FakeEmbedder


def event(sample_id: str, tool: str = "describe_clip") -> Event:
    return Event(
        sample_id=sample_id,
        stage="clip",
        next_stage="described",
        tool=tool,
        arguments={},
        result={},
        seconds=0.1,
        attempt=1,
        by="policy",
    )


def instruction(text: str, edit_type: str = "weather") -> Instruction:
    return Instruction(text=text, edit_type=edit_type, scope="global")


async def test_appended_events_are_read_back_in_order(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    sample = Sample(id="a", seed=1)
    written = [await ledger.append(event("a", tool), sample, 1) for tool in ("sample_clip", "describe_clip")]
    assert ledger.events("a") == written
    assert [found.tool for found in written] == ["sample_clip", "describe_clip"]
    assert all(found.at for found in written)
    ledger.close()


async def test_events_of_many_samples_at_once_are_all_on_disk_when_append_returns(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path)
    done = [ledger.append(event(f"s{n}"), Sample(id=f"s{n}", seed=n), n) for n in range(200)]
    await asyncio.gather(*done)
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT COUNT(*), COUNT(DISTINCT seq) FROM events").fetchone() == (200, 200)
    ledger.close()


async def test_accepted_samples_get_their_place_once_and_keep_it(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for number in (1, 2):
        accepted = Sample(id=f"s{number}", seed=1, stage="done", decision="accepted")
        await ledger.append(event(accepted.id, "accept"), accepted, number)
    await ledger.append(event("s1", "override"), Sample(id="s1", seed=1, stage="done", decision="rejected"), 1)
    again = Sample(id="s1", seed=1, stage="done", decision="accepted")
    await ledger.append(event("s1", "override"), again, 1)
    assert [row.ordinal for row in ledger.rows()] == [1, 2]
    assert ledger.counts() == {"accepted": 2}
    ledger.close()


async def test_a_failed_write_is_raised_and_leaves_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    await ledger.append(event("a"), Sample(id="a", seed=1), 1)
    with pytest.raises(LedgerError, match="UNIQUE"):
        await ledger.append(event("b"), Sample(id="b", seed=1), 1)  # another sample of the same number
    assert ledger.events("b") == []
    await ledger.append(event("c"), Sample(id="c", seed=1), 2)
    assert [row.sample.id for row in ledger.rows()] == ["a", "c"]
    ledger.close()


async def test_a_writer_that_cannot_open_the_file_says_so_and_lets_nobody_wait(tmp_path: Path) -> None:
    def refuse() -> sqlite3.Connection:
        raise sqlite3.DatabaseError("database disk image is malformed")

    tail = Tail(tmp_path / "tail")
    writer = GroupCommit(refuse, tail, lambda error: LedgerError(f"cannot be written: {error}"))
    with pytest.raises(LedgerError, match="malformed"):
        await asyncio.wait_for(asyncio.wrap_future(writer.put(event("a"), Sample(id="a", seed=1), 1)), 10)
    writer.close()


def test_a_file_that_is_no_ledger_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"not a database, and long enough to be looked at" * 40)
    with pytest.raises(LedgerError, match="cannot be read"):
        Ledger(tmp_path / "ledger.sqlite")


def test_sources_and_clips_are_kept_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    clip = Clip(
        clip_id="c", uri="u", sha256="0" * 64, start_seconds=0, end_seconds=1, fps=25, frames=25, width=64, height=48
    )
    table = ledger.sources
    found = [Found(uri="u", place=2, stamp="1"), Found(uri="v", place=1, stamp="1")]
    for _ in range(2):
        table.find(found)
        assert table.to_look_at(5) == (["v", "u"] if table.uri_of_content(clip.sha256) is None else [])
        made = [
            Fate(
                source=Source(uri="u", outcome="pending", reason=""),
                stamp="1",
                clips=(NewClip(clip=clip, seen=(1, 2)),),
            ),
            Fate(source=Source(uri="v", outcome="rejected", reason="too short"), stamp="1"),
        ]
        [number] = table.settle(made, made[0].clips)
    assert list(table.clips()) == [table.clip(number)] == [clip]
    assert list(table.looks()) == [("u", (1, 2))]
    assert [(source.uri, source.outcome) for source in table.fates()] == [("u", "pending"), ("v", "rejected")]
    ledger.close()


def test_commands_wait_for_the_owner_and_are_done_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.add_command({"kind": "override", "sample": "a"})
    [(number, payload)] = ledger.open_commands()
    assert payload == {"kind": "override", "sample": "a"}
    ledger.finish_command(number, "done")
    assert ledger.open_commands() == []
    ledger.close()


def test_who_only_looks_sees_what_others_write_later_and_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    looking = Ledger(path, read_only=True)
    assert looking.open_commands() == []
    assert [file.name for file in tmp_path.glob("ledger*")] == [path.name]
    for count in (1, 2):  # the owner comes, writes and goes, twice
        owning = Ledger(path)
        owning.add_command({"kind": "override"})
        assert len(looking.open_commands()) == count
        owning.close()
        assert len(looking.open_commands()) == count
    looking.close()


def test_looking_at_artifacts_makes_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ArtifactStore(tmp_path / "artifacts").path("0" * 64 + ".png")
    assert not (tmp_path / "artifacts").exists()


def test_artifacts_are_named_by_content_and_kept_once(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    first, second = store.put(b"pixels", ".png"), store.put(b"pixels", ".png")
    assert first == second
    assert store.path(first).read_bytes() == b"pixels"
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_an_artifact_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    """The same picture is shown to a model dozens of times; each write would wait for the disk."""
    ArtifactStore(tmp_path).put(b"pixels", ".png")
    begun = time.time_ns()
    os.utime(tmp_path / "tmp", ns=(begun, begun))
    ArtifactStore(tmp_path).put(b"pixels", ".png")
    assert (tmp_path / "tmp").stat().st_mtime_ns == begun


def test_a_write_that_fails_leaves_no_artifact(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)

    def fail_half_way() -> None:
        with store.writing(".mp4") as (path, _):
            path.write_bytes(b"half")
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fail_half_way()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("reference", ["../../etc/passwd", "ab", "0" * 64, "0" * 64 + ".mp4/../x", "/" + "0" * 64])
def test_only_references_lead_to_files(tmp_path: Path, reference: str) -> None:
    with pytest.raises(ValueError, match="no artifact reference"):
        ArtifactStore(tmp_path).path(reference)


@pytest.fixture
def memory(tmp_path: Path) -> InstructionMemory:
    return InstructionMemory(tmp_path / "memory", FakeEmbedder(), similarity_limit=0.95)


async def test_exact_and_near_repeats_are_refused(memory: InstructionMemory) -> None:
    await memory.reserve("a", instruction("Make the scene a snowy winter day"))
    with pytest.raises(DuplicateInstruction, match="repeats"):
        await memory.reserve("b", instruction("make the scene a SNOWY winter day!"))
    with pytest.raises(DuplicateInstruction):
        await memory.reserve("b", instruction("make the scene a snowy day winter"))
    near = await memory.reserve("b", instruction("Turn everything into thick fog"))
    assert near is not None
    assert near.similarity < 0.95
    memory.close()


async def test_of_many_at_once_one_gets_the_instruction(memory: InstructionMemory) -> None:
    tries = [memory.reserve(f"s{n}", instruction("Let it rain over the whole scene")) for n in range(20)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, DuplicateInstruction)]
    assert len(refused) == 19
    memory.close()


async def test_a_reservation_is_replaced_released_and_survives_a_restart(tmp_path: Path) -> None:
    folder, embedder = tmp_path / "memory", FakeEmbedder()
    memory = InstructionMemory(folder, embedder, 0.95)
    await memory.reserve("a", instruction("Let it rain"))
    await memory.reserve("a", instruction("Paint it in watercolour", "style"))
    assert await memory.nearest("weather", "Let it rain", 3) == []
    await memory.reserve("b", instruction("Let it rain"))
    await memory.release("b")
    memory.close()
    memory = InstructionMemory(folder, embedder, 0.95)
    # The ledger says that c holds an instruction which the memory never heard of, and that a holds none.
    memory.reconcile({"c": instruction("Let it snow")})
    assert [found.text for found in await memory.nearest("weather", "Let it snow", 3)] == ["Let it snow"]
    assert await memory.nearest("style", "Paint it in watercolour", 3) == []
    with pytest.raises(DuplicateInstruction):
        await memory.reserve("d", instruction("Let it snow"))
    memory.close()


def _hold(run: Path, ready: Event_) -> None:
    with Owner(run):
        ready.set()
        multiprocessing.Event().wait()


def test_a_second_owner_is_refused_by_name_until_the_first_is_killed(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_hold, args=(tmp_path, ready), daemon=True)
    process.start()
    assert ready.wait(60)
    with pytest.raises(RunIsOwned, match=f"pid {process.pid} on "):
        Owner(tmp_path)
    process.kill()
    process.join()
    Owner(tmp_path).release()
