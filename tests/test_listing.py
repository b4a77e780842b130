"""Lists of samples: every filter and order against plain Python over the same samples, and what a page costs."""

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory.ledger import Ledger
from memory.listing import Filter, Listing, Sort
from memory.sample import AxisVerdict, Clip, Decision, Description, Event, Instruction, Provenance, Sample, Verdict

NUM = 90
DECISIONS = (*get_args(Decision), None)
REASONS = ("steady", "steady_enough", 'a "quoted", reason', "no_edit")
AXES = ("edit_applied", "steady")
SCORES = (None, 0.0, 0.25, 0.5, 0.75, 1.0)
WORDS = ("Snow", "snowfall", "100%", "under_score", "back\\slash", "über", "雪", "<script>", "clip")
TYPES = ("style", "weather", None)
FOLDERS = ("/videos/deep/", "")


def made(rng: random.Random, number: int) -> Sample:
    """A sample at any point of its way."""
    decision = rng.choice(DECISIONS)
    edit_type = rng.choice(TYPES)
    axes = rng.sample(AXES, rng.randrange(len(AXES) + 1))
    values = {axis: rng.choice(SCORES) for axis in axes}
    scores = {
        axis: AxisVerdict(value=value, threshold=0.5, passed=None if value is None else value >= 0.5, reason="-")
        for axis, value in values.items()
    }
    verdict = Verdict(decision="rejected", reasons=[], rule="threshold", scores=scores)
    name = f"{rng.choice(FOLDERS)}{rng.choice(WORDS)}.mp4"
    clip = Clip(clip_id="c", uri=name, sha256="", start_seconds=0, end_seconds=1, fps=25, frames=9, width=64, height=48)
    return Sample(
        id=f"{number:06d}-{rng.choice('abc')}",
        seed=number,
        conversation=rng.random() < 0.3,
        clip=rng.choice((clip, None)),
        description=rng.choice((Description(caption=" ".join(rng.sample(WORDS, 2)), facts={}, masks=""), None)),
        instruction=Instruction(text=" ".join(rng.sample(WORDS, 2)), edit_type=edit_type, scope="global")
        if edit_type
        else None,
        key_frame_verdict=rng.choice((verdict, None)),
        verdict=rng.choice((verdict, None)),
        attempts={"sample_clip": 1, "retry": rng.randrange(3)} if rng.random() < 0.8 else {},
        model_seconds=rng.choice((0.0, 1.5, 2.25)),
        decision=decision,
        reasons=rng.sample(REASONS, rng.randrange(3)) if decision == "rejected" else [],
        provenance=Provenance(models={}, prompts_hash=rng.choice("pq"), config_hash="", code_version="", created_at="")
        if rng.random() < 0.8
        else None,
        wish=rng.choice(("", rng.choice(WORDS))),
    )


async def write(ledger: Ledger, samples: list[Sample]) -> None:
    for number, sample in enumerate(samples, 1):
        event = Event(
            sample_id=sample.id,
            stage="new",
            next_stage="clip",
            tool="sample_clip",
            arguments={},
            result={},
            seconds=0,
            attempt=1,
            by="policy",
        )
        await ledger.append(event, Sample(id=sample.id, seed=sample.seed), number)  # seen first as it began
        await ledger.append(event, sample, number)


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    rng = random.Random(7)
    return [made(rng, number) for number in range(1, NUM + 1)]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, samples: list[Sample]) -> Path:
    path = tmp_path_factory.mktemp("listing") / "ledger.sqlite"
    with closing(Ledger(path)) as ledger:
        asyncio.run(write(ledger, samples))
    return path


@pytest.fixture(scope="module")
def kept(path: Path) -> Iterator[Ledger]:
    with closing(Ledger(path)) as ledger:
        yield ledger


@pytest.fixture(scope="module")
def older(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """The same as an earlier program left it, and only read."""
    copy = tmp_path_factory.mktemp("older") / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as connection, closing(sqlite3.connect(copy)) as written:
        connection.backup(written)
        written.executescript("DROP TRIGGER listed_insert; DROP TRIGGER listed_update; DROP TABLE listed")
    with closing(Ledger(copy, read_only=True)) as ledger:
        yield ledger


def score(sample: Sample, axis: str) -> float | None:
    verdict = sample.verdict or sample.key_frame_verdict
    return verdict.scores[axis].value if verdict and axis in verdict.scores else None


def ascii_lower(text: str) -> str:
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def matches(sample: Sample, wanted: Filter) -> bool:
    parts = [sample.id, sample.wish]
    parts += [sample.instruction.text] if sample.instruction else []
    parts += [sample.description.caption] if sample.description else []
    parts += [sample.clip.uri.split("/")[-1]] if sample.clip else []
    words = ascii_lower("\n".join(parts))
    value = score(sample, wanted.axis)
    return all(
        (
            wanted.decision in ("", sample.decision or "pending"),
            not wanted.reason or wanted.reason in sample.reasons,
            not wanted.edit_type or bool(sample.instruction and sample.instruction.edit_type == wanted.edit_type),
            not wanted.scope or bool(sample.instruction and sample.instruction.scope == wanted.scope),
            not wanted.prompts or bool(sample.provenance and sample.provenance.prompts_hash == wanted.prompts),
            wanted.conversation in (None, sample.conversation),
            wanted.least is None or (value is not None and value >= wanted.least),
            wanted.most is None or (value is not None and value <= wanted.most),
            all(ascii_lower(word) in words for word in wanted.text.split()),
        )
    )


def in_order(samples: list[Sample], wanted: Filter) -> list[str]:
    """By number, newest first but for "oldest" and "lowest"; then by the key, what has none at the end."""

    def key(place: int) -> tuple[float, int]:
        sample = samples[place]
        value = score(sample, wanted.axis)
        match wanted.sort:
            case "newest":
                return (0, -place)
            case "oldest":
                return (0, place)
            case "attempts":
                return (-sum(sample.attempts.values()), -place)
            case "seconds":
                return (-sample.model_seconds, -place)
            case "lowest":
                return (9e9 if value is None else value, place)
            case "highest":
                return (9e9 if value is None else -value, -place)

    return [samples[place].id for place in sorted(range(len(samples)), key=key) if matches(samples[place], wanted)]


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    word = st.sampled_from((*WORDS, "SNOW", "Ü", "%", "_", "\\", "'", "-a", "deep", "videos"))
    bound = st.none() | st.sampled_from((0.0, 0.25, 0.3, 0.5, 1.0))
    maybe = {
        "decision": st.sampled_from((*(one or "pending" for one in DECISIONS), "nonsense")),
        "reason": st.sampled_from((*REASONS, "unheard of")),
        "edit_type": st.sampled_from(("style", "weather", "none")),
        "scope": st.sampled_from(("global", "local")),
        "prompts": st.sampled_from("pqr"),
        "conversation": st.booleans(),
        "least": bound,
        "most": bound,
        "text": st.lists(word, max_size=2).map(" ".join),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(maybe)), max_size=3))
    values: dict[str, Any] = {name: draw(maybe[name]) for name in sorted(chosen)}
    return Filter(axis=draw(st.sampled_from((*AXES, "unknown"))), sort=draw(st.sampled_from(get_args(Sort))), **values)


@settings(max_examples=250, deadline=None)
@given(wanted=filters(), size=st.integers(1, 40), skip=st.integers(0, 100))
def test_every_filter_and_order_agrees_with_plain_python(
    kept: Ledger, older: Ledger, samples: list[Sample], wanted: Filter, size: int, skip: int
) -> None:
    expected = in_order(samples, wanted)
    others = [sample for sample in samples if matches(sample, Filter(**{**vars(wanted), "decision": ""}))]
    for ledger in (kept, older):
        page = ledger.listing.page(wanted, size, skip)
        assert [row.sample.id for row in page.samples] == expected[skip : skip + size]
        assert page.matches == len(expected)
        assert page.counts == Counter(sample.decision or "pending" for sample in others)


@settings(max_examples=60, deadline=None)
@given(wanted=filters(), place=st.integers(0, NUM - 1))
def test_neighbours_walk_the_list_in_its_order(kept: Ledger, samples: list[Sample], wanted: Filter, place: int) -> None:
    expected = in_order(samples, wanted)
    if expected:
        place %= len(expected)
        before = expected[place - 1] if place else None
        after = expected[place + 1] if place + 1 < len(expected) else None
        assert kept.listing.neighbours(wanted, expected[place]) == (before, after)
    every = in_order(samples, Filter(sort=wanted.sort, axis=wanted.axis))
    outside = next((id_ for id_ in every if id_ not in expected), None)
    if outside:
        rest = every[every.index(outside) :]
        assert kept.listing.neighbours(wanted, outside).next == next((i for i in rest if i in expected), None)


def test_menus_offer_what_there_is(kept: Ledger, older: Ledger, samples: list[Sample]) -> None:
    menus = kept.listing.menus()
    assert menus == older.listing.menus()
    assert menus.reasons == Counter(reason for sample in samples for reason in sample.reasons)
    assert menus.edit_types == Counter(one.instruction.edit_type for one in samples if one.instruction)
    assert menus.prompts == Counter(one.provenance.prompts_hash for one in samples if one.provenance)
    assert (set(menus.axes), set(menus.scopes)) == (set(AXES), {"global"})
    assert menus.conversations == sum(sample.conversation for sample in samples)


def test_outcomes_say_what_became_of_each_sample(kept: Ledger, older: Ledger, samples: list[Sample]) -> None:
    wanted = Filter(conversation=False)
    found = list(kept.outcomes(wanted))
    assert found == list(older.outcomes(wanted))
    expected = [sample for sample in samples if not sample.conversation]
    for one, sample in zip(found, expected, strict=True):
        verdict = sample.verdict or sample.key_frame_verdict
        assert (one.id, one.decision) == (sample.id, sample.decision or "pending")
        assert one.scores == {axis: score(sample, axis) for axis in (verdict.scores if verdict else ())}
        assert one.failed == {axis for axis in one.scores if verdict and verdict.scores[axis].passed is False}
        assert one.instruction == (sample.instruction.text if sample.instruction else "")
        assert one.clip_id == (sample.clip.clip_id if sample.clip else "")
        assert (one.reasons, one.model_seconds) == (tuple(sample.reasons), sample.model_seconds)


def test_a_page_reads_no_more_samples_than_it_shows(kept: Ledger) -> None:
    """Whatever comes out of the database is counted: payloads are all that is long."""
    read: list[int] = []

    def rows(query: str, values: tuple[object, ...]) -> list[Any]:
        found = kept._rows(query, values)
        read.extend(len(row) for row in found if any(str(cell).startswith('{"id"') for cell in row))
        return found

    listing = Listing(rows, Sample.model_validate_json)
    assert len(listing.page(Filter(), 7).samples) == 7
    assert len(read) == 7
    assert listing.page(Filter(text="nothing of this"), 7).samples == ()
    listing.menus()
    listing.neighbours(Filter(), "000001-a")
    assert len(read) == 7


def test_a_ledger_begun_before_is_filled_once_somebody_may_write(older: Ledger, kept: Ledger, tmp_path: Path) -> None:
    copy = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(older._path)) as connection, closing(sqlite3.connect(copy)) as written:
        connection.backup(written)
    with closing(Ledger(copy)) as filled:
        table = filled._rows("SELECT * FROM listed ORDER BY number")
        assert table == kept._rows("SELECT * FROM listed ORDER BY number")
        assert len(table) == NUM


def test_a_range_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="needs an axis"):
        Filter(least=0.5)
    with pytest.raises(ValueError, match="needs an axis"):
        Filter(sort="lowest")
    with pytest.raises(ValueError, match="is no axis"):
        Filter(axis="x') OR 1 --")
