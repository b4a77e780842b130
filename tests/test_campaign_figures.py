"""The campaign's figures against ledgers that are counted by hand, and against plain Python over many samples."""

import asyncio
import random
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.campaign_figures import funnel_figure, kinds_figure, reasons_figure, time_figure
from agent.campaign_progress import in_words, progress_of
from agent.campaign_rounds import acceptance_figure, cost_figure, first_samples, round_size, rounds_of, wilson
from agent.instruction_map import plane_of
from memory.figures import Tally
from memory.ledger import Ledger
from memory.sample import Clip, Description, Edit, Event, Instruction, KeyFrame, Sample, Verdict
from memory.sessions import CampaignSession

CLIP = Clip(clip_id="c", uri="a.mp4", sha256="", start_seconds=0, end_seconds=1, fps=25, frames=9, width=64, height=48)
VERDICT = Verdict(decision="rejected", reasons=["edit_applied"], rule="threshold", scores={})
DESCRIPTION = Description(caption="a", facts={}, masks="")
KEY_FRAME = KeyFrame(index=0, source="", candidates=[], strengths=[])


def event(sample_id: str, tool: str, seconds: float = 1.0, error: str | None = None) -> Event:
    return Event(
        sample_id=sample_id,
        stage="new",
        next_stage="clip",
        tool=tool,
        arguments={},
        result={},
        seconds=seconds,
        model_seconds=seconds / 2,
        attempt=1,
        by="policy",
        error=error,
    )


def session(number: int, first: int, **changes: Any) -> CampaignSession:
    made = CampaignSession(
        number=number,
        target=10,
        concurrency=2,
        first_sample=first,
        accepted_before=0,
        pid=1,
        host="h",
        profile="embedded",
        config_hash="",
        code_version="",
    )
    return made.model_copy(update=changes)


def sample(number: int, kind: str = "style", **changes: Any) -> Sample:
    instruction = Instruction(text=f"make it {kind} {number}", edit_type=kind, scope="global")
    made = Sample(id=f"{number:06d}-a", seed=number, clip=CLIP, description=DESCRIPTION, instruction=instruction)
    return made.model_copy(update=changes)


EDIT = Edit(video="", route="structure", strength=1.0)
SAMPLES = [
    sample(1, decision="accepted", verdict=VERDICT, edit=EDIT, key_frame=KEY_FRAME, model_seconds=4.0),
    sample(2, decision="rejected", reasons=["edit_applied", "safety"], verdict=VERDICT, edit=EDIT, model_seconds=2.0),
    # Done again from the instruction: what came of the first try is gone from the sample, but it had been judged.
    sample(3, decision="rejected", reasons=["edit_applied"], attempts={"retry": 1, "critique_video": 1}),
    sample(4, kind="weather", decision="failed", reasons=["generate_video"], attempts={"generate_video": 3}),
    sample(5, instruction=None, decision="unscored", reasons=["source_motion"]),
    sample(6, kind="weather", decision="accepted", model_seconds=1.0),
    sample(7, key_frame=KEY_FRAME),
    Sample(id="talk-0123456789ab", seed=8, conversation=True, clip=CLIP, decision="private"),
]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("figures") / "ledger.sqlite"

    async def write(ledger: Ledger) -> None:
        for number, one in enumerate(SAMPLES, 1):
            tools = ("sample_clip", "accept") if one.decision == "accepted" else ("sample_clip", "reject")
            for tool in tools:
                await ledger.append(event(one.id, tool), one, number)
        await ledger.append(event(SAMPLES[3].id, "generate_video", 5.0, "boom"), SAMPLES[3], 4)

    with closing(Ledger(path)) as ledger:
        asyncio.run(write(ledger))
        ledger.sessions.begin(session(0, 1))
        ledger.sessions.begin(session(0, 5))
    return path


@pytest.fixture(scope="module", params=["kept", "older"])
def ledger(request: pytest.FixtureRequest, path: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """As it is written, and as an earlier program left it, only read."""
    if request.param == "older":
        copy = tmp_path_factory.mktemp("older") / "ledger.sqlite"
        with closing(sqlite3.connect(path)) as connection, closing(sqlite3.connect(copy)) as written:
            connection.backup(written)
            written.executescript("DROP TRIGGER spent_insert; DROP TABLE spent")
        path = copy
    with closing(Ledger(path, read_only=request.param == "older")) as opened:
        yield opened


def test_a_ledger_counted_by_hand(ledger: Ledger) -> None:
    tallies = ledger.figures.tallies()
    counted = Counter[tuple[int, str]]()
    for one in tallies:
        counted[one.reached, one.decision] += one.samples
    assert counted == {
        (8, "accepted"): 2,
        (7, "rejected"): 2,
        (5, "failed"): 1,
        (2, "unscored"): 1,
        (4, "pending"): 1,
    }
    funnel = funnel_figure(tallies)
    assert [row[1] for row in funnel.rows] == [7, 7, 7, 6, 6, 5, 4, 4, 2]
    assert dict(zip(funnel.columns, funnel.rows[7], strict=True))["rejected here"] == 2
    assert dict(zip(funnel.columns, funnel.rows[4], strict=True))["under way here"] == 1
    reasons = reasons_figure(tallies)
    assert reasons.rows[0] == ("edit_applied", 2, 0, 0, 2)
    assert [row[0] for row in reasons.rows] == ["edit_applied", "generate_video", "safety", "source_motion"]
    kinds = kinds_figure(tallies, {"style": "global", "add": "local"})
    assert kinds.rows == [
        ("style", "global", 1, 3, "33 %"),
        ("weather", "global", 1, 2, "50 %"),
        ("add", "local", 0, 0, "-"),
    ]
    spent = {one.tool: one for one in ledger.figures.spent()}
    assert (spent["generate_video"].calls, spent["generate_video"].errors) == (1, 1)
    assert spent["sample_clip"][1:] == (7, 0, 7.0, 3.5), "a conversation's call is not counted"
    assert time_figure(ledger.figures.spent(), 2).rows[0][0] == "sample_clip"
    assert sum(pairs for _, pairs in ledger.figures.accepted_by_minute()) == 2
    assert ledger.figures.accepted_by_minute("2999") == []
    assert ledger.figures.conversations() == {"private": 1}
    assert [one.text for one in ledger.figures.instructions(100)[0]] == [
        one.instruction.text for one in SAMPLES if one.instruction
    ]


def test_rounds_are_blocks_of_each_session(ledger: Ledger) -> None:
    began = first_samples(ledger.sessions.all())
    assert began == [(1, 1), (2, 5)]
    rounds = rounds_of(ledger.figures.rounds(began, 3))
    assert [(one.name, one.first, one.last, one.decided, one.accepted) for one in rounds] == [
        ("1.1", 1, 3, 3, 1),
        ("1.2", 4, 4, 1, 0),
        ("2.1", 5, 7, 2, 1),
    ]
    assert acceptance_figure(rounds, 3).rows[0][:5] == ("1.1", "1 to 3", 3, 1, "33 %")
    assert [row[3] for row in cost_figure(rounds).rows] == [6.0, None, 1.0]
    assert first_samples([]) == [(0, 1)]
    assert first_samples([session(1, 40)]) == [(0, 1), (1, 40)]
    assert [round_size(samples) for samples in (0, 400, 401, 100_000)] == [10, 10, 20, 2500]


def test_nothing_to_show_is_no_rows() -> None:
    empty: list[Tally] = []
    figures = [funnel_figure(empty), reasons_figure(empty), kinds_figure(empty, {"style": "global"})]
    figures += [acceptance_figure([], 10), cost_figure([]), time_figure([], 0)]
    assert not [figure.name for figure in figures if figure.rows]


@pytest.mark.parametrize(("passed", "of", "low", "high"), [(5, 10, 0.2366, 0.7634), (0, 10, 0.0, 0.2775)])
def test_the_interval_is_wilsons(passed: int, of: int, low: float, high: float) -> None:
    assert wilson(passed, of) == pytest.approx((low, high), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_the_pace_and_what_is_left() -> None:
    now = datetime(2026, 1, 1, 2, 0, tzinfo=UTC)
    running = session(1, 1, target=100, began_at="2026-01-01T00:00:00+00:00")
    minutes = [("2026-01-01T00:10", 50), ("2026-01-01T01:40", 10)]
    found = progress_of({"accepted": 60, "pending": 2}, running, "running", minutes, now)
    assert (found.pairs_an_hour, found.seconds_left, found.decided) == (20.0, 7200.0, 60)
    paused = running.model_copy(update={"paused_seconds": 3600.0, "paused_at": "2026-01-01T01:50:00+00:00"})
    found = progress_of({"accepted": 60}, paused, "paused", minutes, now)
    assert (found.worked_seconds, found.pairs_an_hour, found.seconds_left) == (3000.0, 72.0, None)
    fresh = progress_of({}, None, None, [], now)
    assert (fresh.target, fresh.pairs_an_hour, fresh.share) == (None, None, 0.0)
    assert [in_words(value) for value in (None, 80, 600, 7500, 200_000)] == [
        "-",
        "80 s",
        "10 min",
        "2 h 5 min",
        "2.3 days",
    ]


def test_the_map_keeps_what_differs_most() -> None:
    rng = np.random.default_rng(0)
    away = np.zeros((40, 16), np.float32)
    away[20:, 3] = 5.0
    vectors = (away + rng.normal(0, 0.1, away.shape)).astype(np.float32)
    plane = plane_of(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    left, right = plane.points[:20, 0], plane.points[20:, 0]
    assert left.max() < right.min() or right.max() < left.min()
    assert np.abs(plane.points).max() == pytest.approx(1.0)
    assert np.array_equal(plane.points, plane_of(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).points)
    assert plane_of(vectors[:1]).points.tolist() == [[0.0, 0.0]]


def test_the_same_instructions_are_drawn_as_a_run_grows(tmp_path: Path) -> None:
    async def write(ledger: Ledger, numbers: range) -> None:
        for number in numbers:
            one = sample(number, kind=random.Random(number).choice(["style", "weather"]), decision="accepted")
            await ledger.append(event(one.id, "accept"), one, number)

    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        asyncio.run(write(ledger, range(1, 61)))
        before, total = ledger.figures.instructions(20)
        asyncio.run(write(ledger, range(61, 67)))
        after, _ = ledger.figures.instructions(20)
    assert (len(before), total) == (20, 60)
    assert len({one.text for one in before} & {one.text for one in after}) >= 14
