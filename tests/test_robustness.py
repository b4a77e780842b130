"""What must not bring a run down or bend its guarantees: odd text, cancelled tasks, orders, damaged files."""

import asyncio
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from pydantic import ValidationError

from agent.campaign import Limits
from agent.inspect import __main__ as inspect
from agent.nodes import RunError
from agent.orders import carry_out
from agent.plain import plain
from agent.planner import PlannerModel
from agent.policy import PolicyConfig
from agent.session import Session
from memory.dataset import read_metadata
from memory.instructions import DuplicateInstruction, MemoryDamaged
from memory.ledger import Ledger
from memory.sample import Description, Event, Instruction, Sample
from tests.fake_run import campaign_of, fake_models, fake_profile, make_clips, run_fake, spoil_clip
from tests.fakes import ScriptedPlanner, tool_call


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    return make_clips(tmp_path / "clips")


def describe_event(sample_id: str) -> Event:
    return Event(
        sample_id=sample_id,
        stage="clip",
        next_stage="described",
        tool="describe_clip",
        arguments={},
        result={},
        seconds=0.0,
        attempt=1,
        by="policy",
    )


async def test_a_caller_that_is_cancelled_does_not_stop_the_writer(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    tasks = [
        asyncio.create_task(ledger.append(describe_event(f"s{n}"), Sample(id=f"s{n}", seed=1), n)) for n in range(50)
    ]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.wait_for(ledger.append(describe_event("last"), Sample(id="last", seed=1), 99), 10)
    ledger.close()


async def test_text_that_has_no_utf8_is_refused_to_its_writer_alone(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    broken = describe_event("a").model_copy(update={"note": "\ud83d"})
    with pytest.raises(ValueError, match="surrogates"):
        await ledger.append(broken, Sample(id="a", seed=1), 1)
    await asyncio.wait_for(ledger.append(describe_event("b"), Sample(id="b", seed=1), 2), 10)
    assert ledger.events("a") == []
    ledger.close()


def test_plain_text_writes_out_what_a_terminal_should_not_get() -> None:
    assert plain("a\x1b[31m \ud83d é 雪\n") == "a\\x1b[31m \\ud83d é 雪\n"


def test_a_planner_of_half_characters_is_mended_and_the_run_goes_on(tmp_path: Path, clips: Path) -> None:
    def half(state: dict[str, Any], tools: list[dict[str, Any]]) -> AIMessage:
        if state["stage"] == "described":
            return tool_call("write_instruction", edit_type="\ud83d", wish="\ud83d")
        return AIMessage("\ud83d")

    planner = PlannerModel(chat=ScriptedPlanner(answer=half), name="half")
    models = fake_models(fake_profile(), planner)
    outcome, [sample] = run_fake(tmp_path / "run", clips, target=1, models=models)
    assert outcome == "target met"
    assert sample.planner_fallbacks > 0


def test_a_number_that_json_has_not_ends_at_the_step_that_made_it() -> None:
    with pytest.raises(ValidationError, match="finite"):
        Description(caption="", facts={"lightness": math.nan}, masks="")


def test_a_listener_that_breaks_after_acceptance_loses_no_pair(tmp_path: Path, clips: Path) -> None:
    def break_at_acceptance(session: Session) -> None:
        def listen(event: Event, sample: Sample) -> None:
            if event.tool == "accept":
                raise UnicodeEncodeError("ascii", "é", 0, 1, "no such letter")

        session.listeners.append(listen)

    with pytest.raises(RunError, match="is on disk"):
        run_fake(tmp_path / "run", clips, target=1, prepare=break_at_acceptance)
    outcome, decided = run_fake(tmp_path / "run", clips, target=1)
    assert (outcome, decided) == ("target met", [])
    assert len(list(read_metadata(tmp_path / "run" / "dataset"))) == 1


def test_an_order_while_others_run_leaves_their_reservations(tmp_path: Path, clips: Path) -> None:
    def talk(session: Session) -> None:
        memory = session.stores.memory
        wanted = Instruction(text="Let it rain over the town", edit_type="weather", scope="global")
        asyncio.run(memory.reserve("under way", wanted))
        session.stores.ledger.add_command({"kind": "pause"})
        session.stores.ledger.add_command({"kind": "override", "sample": "nobody", "override": "accept", "note": ""})
        assert carry_out(session.stores, session.config) == 0
        with pytest.raises(DuplicateInstruction):
            asyncio.run(memory.reserve("another", wanted))
        memory.hold("under way", None)

    outcome, _ = run_fake(tmp_path / "run", clips, target=1, prepare=talk)
    assert outcome == "target met"
    run_fake(tmp_path / "run", clips, target=1)  # an order that makes no sense does not keep the run from opening


def test_a_line_torn_inside_a_letter_is_mended(tmp_path: Path, clips: Path) -> None:
    run_fake(tmp_path / "run", clips, target=1)
    metadata = tmp_path / "run" / "dataset" / "shard-00000" / "metadata.jsonl"
    whole = metadata.read_bytes()
    metadata.write_bytes(whole[:40] + "ï".encode()[:1])
    run_fake(tmp_path / "run", clips, target=1)
    assert metadata.read_bytes() == whole


def test_a_damaged_memory_says_what_to_do_and_is_rebuilt(tmp_path: Path, clips: Path) -> None:
    run_fake(tmp_path / "run", clips, target=1)
    memory = tmp_path / "run" / "memory"
    for path in memory.glob("chroma.sqlite3*"):
        path.write_bytes(b"no database" * 500)
    with pytest.raises(MemoryDamaged, match="delete that folder"):
        run_fake(tmp_path / "run", clips, target=2)
    shutil.rmtree(memory)
    # In a process of its own: Chroma remembers the broken files of this one.
    again = [sys.executable, "-m", "tests.fake_worker", str(tmp_path / "run"), str(clips), "2"]
    assert "target met" in subprocess.run(again, capture_output=True, text=True, check=True).stdout


def test_words_in_brackets_are_words(tmp_path: Path, clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def says(state: dict[str, Any], tools: list[dict[str, Any]]) -> AIMessage:
        return tool_call("reject", reason="not_feasible", note="see [/INST] here")

    planner = PlannerModel(chat=ScriptedPlanner(answer=says), name="says")
    limits = Limits(target=1, max_candidates=1)
    models = fake_models(fake_profile(), planner)
    _, [sample] = run_fake(tmp_path / "run", clips, target=1, models=models, limits=limits)
    assert inspect.main([str(tmp_path / "run"), sample.id]) == 0
    assert "[/INST]" in capsys.readouterr().out


def test_a_poisonous_clip_is_drawn_once_in_all_sessions(tmp_path: Path, clips: Path) -> None:
    def spoil(session: Session) -> None:
        asyncio.run(session.take_in())
        spoil_clip(clips / "clip0.mp4")

    quarantined = []
    for target in (2, 3, 4):
        _, decided = run_fake(tmp_path / "run", clips, target=target, prepare=spoil)
        quarantined += [sample for sample in decided if sample.decision == "quarantined"]
    assert len(quarantined) == 1
    assert quarantined[0].clip is not None


def test_moved_clips_are_found_again_and_copies_are_told(tmp_path: Path, clips: Path) -> None:
    run_fake(tmp_path / "run", clips, target=1)
    moved = clips.rename(tmp_path / "moved")
    (moved / "copy.mp4").write_bytes((moved / "clip0.mp4").read_bytes())

    def look(session: Session) -> None:
        asyncio.run(session.take_in())
        fates = {Path(source.uri).name: source.reason for source in session.stores.ledger.sources.fates()}
        assert "duplicate: same content" in fates["copy.mp4"] + fates["clip0.mp4"]
        assert all(Path(clip.uri).is_file() for clip in session.stores.ledger.sources.clips())

    config_changes = Limits(target=2)
    outcome, decided = run_fake(
        tmp_path / "run", moved, target=2, prepare=look, limits=config_changes, accept_changes=True
    )
    assert (outcome, [sample.decision for sample in decided]) == ("target met", ["accepted"])


def test_a_gate_cannot_be_left_out_and_a_budget_that_is_not_named_keeps_its_default() -> None:
    with pytest.raises(ValidationError, match="a gate cannot be left out"):
        PolicyConfig(thresholds={}, key_frame_thresholds={})
    gates = {"safety": 0.5, "visual_integrity": 0.5, "distinct": 0.5}
    config = PolicyConfig(thresholds=gates, key_frame_thresholds={}, calls_per_sample={"edit_key_frame": 2})
    assert config.calls_per_sample["edit_key_frame"] == 2
    assert config.calls_per_sample["write_instruction"] == 3


def test_a_second_stop_drops_what_runs(tmp_path: Path, clips: Path) -> None:
    def stop_twice(session: Session) -> None:
        def listen(event: Event, sample: Sample) -> None:
            if event.tool == "describe_clip":
                campaign_of(session).stop()
                campaign_of(session).stop()

        session.listeners.append(listen)

    outcome, decided = run_fake(tmp_path / "run", clips, target=2, prepare=stop_twice)
    assert (outcome, decided) == ("stopped", [])
    outcome, decided = run_fake(tmp_path / "run", clips, target=2)
    assert outcome == "target met"


def test_a_full_disk_ends_the_run_in_a_line_and_blames_no_clip(tmp_path: Path, clips: Path) -> None:
    run, limit = tmp_path / "run", 1200
    small = ["clips.frames=9", "clips.max_width=64", "clips.max_height=48", "clips.min_height=16"]
    run_it = ["--target", "1", "--clips", str(clips), "--out", str(run), *small]
    code = (
        "import resource, sys\n"
        "import agent.job, agent.session, tools.media\n"
        "from agent import run\n"
        "def full(*_):\n"
        f"    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "write = tools.media.video.write\n"
        "tools.media.video.write = lambda *given: (full(), write(*given))[1]\n"
        f"sys.exit(run.main({run_it!r}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    assert "the same command resumes" in done.stderr
    ledger = Ledger(run / "ledger.sqlite")
    assert [row.sample.decision for row in ledger.rows() if row.sample.decision] == []
    ledger.close()
