"""A list of 100,000 samples by the page, and how many it reads for one: python -m bench.studio_list [--samples N]

The ledger is written by its own writer, the samples from a few real ones, each with its own words, scores and fate. The
floor is a plain SELECT of the page's rows by number, parsed; the ratio is of CPU times. Times are the middle of five.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from agent.compare import compare
from agent.profile import load_profile
from agent.verdicts import judge
from memory.ledger import Ledger
from memory.listing import Filter, Listing
from memory.sample import (
    Clip,
    Critique,
    Description,
    Edit,
    Event,
    Instruction,
    KeyFrame,
    Provenance,
    Sample,
    Score,
)

PAGE = 50
AT_ONCE = 2000
"""Appends that wait together, so that they go into few transactions."""
REPEATS = 5
TYPES = ("style", "weather", "time_of_day", "color_grade", "duotone", "lighting", "object_color", "season")
NOUNS = ("snow", "rain", "dusk", "a pencil drawing", "wine red", "fog", "warm light", "autumn leaves")
FACTS = ("lightness", "contrast", "colourfulness", "warmth", "redness", "shadows", "highlights", "greenery", "motion")


@dataclass(kw_only=True)
class Counted:
    """Rows and payloads that came out of the database."""

    rows: Callable[[str, tuple[object, ...]], list[Any]]
    num: int = 0
    payloads: list[str] = field(default_factory=list)

    def __call__(self, query: str, values: tuple[object, ...]) -> list[Any]:
        """As of a ledger."""
        found = self.rows(query, values)
        self.num += len(found)
        return found

    def parsed(self, payload: str) -> Sample:
        """As of a ledger."""
        self.payloads.append(payload)
        return Sample.model_validate_json(payload)


def main() -> None:
    """Print milliseconds, rows and payloads of each list."""
    parser = argparse.ArgumentParser(prog="python -m bench.studio_list", description=(__doc__ or "").split(":", 1)[0])
    parser.add_argument("--samples", type=int, default=100_000, help="in the ledger (default: %(default)s)")
    parser.add_argument(
        "--keep", type=Path, metavar="RUN", help="make it in this folder and leave it; measure what is there"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        began = time.perf_counter()
        with closing(Ledger(folder / "ledger.sqlite")) as ledger:
            there = sum(ledger.counts().values())
            if not there:
                asyncio.run(fill(ledger, options.samples))
            elif there != options.samples:
                parser.error(f"--keep {str(folder)!r} has a ledger of {there} samples; give an empty folder")
        size = os.path.getsize(folder / "ledger.sqlite") / 1e6
        print(f"{options.samples} samples in {time.perf_counter() - began:.0f} s; ledger of {size:.0f} MB")
        with closing(Ledger(folder / "ledger.sqlite", read_only=True)) as ledger:
            measure(ledger, options.samples)


async def fill(ledger: Ledger, num: int) -> None:
    """One event and one fold a sample, as a campaign writes them."""
    rng, thresholds = random.Random(0), load_profile("embedded").policy.thresholds
    for first in range(1, num + 1, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, num + 1))
        samples = [(number, made(rng, number, thresholds)) for number in numbers]
        await asyncio.gather(*(ledger.append(event(sample), sample, number) for number, sample in samples))


def event(sample: Sample) -> Event:
    """The step that brought it where it is."""
    return Event(
        sample_id=sample.id,
        stage="judged",
        next_stage=sample.stage,
        tool="critique_video",
        arguments={},
        result={},
        seconds=1.0,
        attempt=1,
        by="policy",
    )


def made(rng: random.Random, number: int, thresholds: Mapping[str, float]) -> Sample:
    """A sample of real size at the end of its way, or, of one in fifty, in the middle."""
    file = hashlib.sha256(str(number // 5).encode()).hexdigest()
    edit_type, thing = rng.choice(TYPES), rng.choice(NOUNS)
    low = rng.choice(list(thresholds)) if rng.random() < 0.4 else ""
    scores = {
        axis: Score(value=rng.uniform(0.1, 0.4) if axis == low else rng.uniform(0.6, 1), reason="differs by 5% of it")
        for axis in thresholds
    }
    verdict = judge(Critique(scores=scores), thresholds)
    chance = rng.random()
    decision = None if chance < 0.02 else "failed" if chance < 0.04 else verdict.decision
    return Sample(
        id=f"{number:06d}-{rng.getrandbits(32):08x}",
        seed=rng.getrandbits(31),
        stage="done" if decision else "judged",
        clip=Clip(
            clip_id=f"{file[:12]}-000058",
            uri=f"/videos/of/somebody/clip{number // 20:05d}.mp4",
            sha256=file,
            start_seconds=2.32,
            end_seconds=4.28,
            fps=25,
            frames=49,
            width=640,
            height=360,
            video=f"{file}.mp4",
        ),
        description=Description(
            caption=f"A mid-toned shot in cool tones with hardly any motion, and {rng.choice(NOUNS)} over 14%.",
            facts={name: rng.random() for name in FACTS},
            masks=f"{file}.npz",
        ),
        instruction=Instruction(
            text=f"Change the picture to {thing} number {number}", edit_type=edit_type, scope="global", look=thing
        ),
        key_frame=KeyFrame(
            index=24,
            source=f"{file}.png",
            candidates=[f"{rng.getrandbits(256):064x}.png" for _ in range(2)],
            strengths=[0.8, 0.65],
            chosen=f"{file}.png",
        ),
        key_frame_verdict=verdict,
        edit=Edit(video=f"{file}.mp4", route="structure", strength=1),
        verdict=verdict,
        attempts={"sample_clip": 1, "edit_key_frame": rng.randint(1, 3), "generate_video": rng.randint(1, 3)},
        model_seconds=rng.uniform(3, 30),
        decision=decision,
        reasons=verdict.reasons if decision == "rejected" else [],
        provenance=Provenance(
            models={"planner": "rules", "editor": "embedded-looks", "generator": "lut-flow", "critic": "measured"},
            prompts_hash=rng.choice(("e829e2345a90b8e1", "2402ca9d93f73781")),
            config_hash="62880eef4ac70740",
            code_version="0.1.0",
            created_at="2026-01-01T00:00:00.000+00:00",
        ),
    )


def measure(ledger: Ledger, num: int) -> None:
    """Every list, and the floor of a page."""
    last = num - PAGE
    everything = Filter(
        decision="rejected",
        reason="temporal_steadiness",
        edit_type="style",
        scope="global",
        axis="temporal_steadiness",
        least=0.1,
        most=0.3,
        text="snow number",
        sort="lowest",
    )
    lists: list[tuple[str, Filter, int]] = [
        ("first page", Filter(), 0),
        ("last page", Filter(), last),
        ("decision", Filter(decision="rejected"), 0),
        ("reason", Filter(reason="temporal_steadiness"), 0),
        ("edit type", Filter(edit_type="style"), 0),
        ("scope", Filter(scope="global"), 0),
        ("score range", Filter(axis="temporal_steadiness", least=0.1, most=0.3), 0),
        ("text", Filter(text="snow"), 0),
        ("text that nothing has", Filter(text="nothing of this"), 0),
        ("prompts", Filter(prompts="2402ca9d93f73781"), 0),
        ("conversations", Filter(conversation=True), 0),
        ("all filters at once", everything, 0),
        ("lowest score first", Filter(axis="distinct", sort="lowest"), 0),
        ("highest score, last page", Filter(axis="distinct", sort="highest"), last),
        ("most attempts first", Filter(sort="attempts"), 0),
    ]
    print(f"{'list':28} {'ms':>8} {'CPU ms':>8} {'matches':>9} {'rows read':>10} {'parsed':>7} {'to the floor':>13}")
    floor = _timed(lambda: _floor(ledger, num))
    for name, wanted, skip in lists:
        counted = Counted(rows=ledger._rows)
        listing = Listing(counted, counted.parsed)
        page = listing.page(wanted, PAGE, skip)
        rows, parsed = counted.num, len(counted.payloads)
        timed = _timed(partial(listing.page, wanted, PAGE, skip))
        figures = f"{page.matches:9,} {rows:10} {parsed:7} {timed.cpu_seconds / floor.cpu_seconds:13.1f}"
        print(f"{name:28} {timed.told} {figures}")
    one = next(ledger.rows("number = 1")).sample.id
    named = {
        "values for the menus": _timed(ledger.listing._looked_up),
        "neighbours, all filters": _timed(lambda: ledger.listing.neighbours(everything, one)),
        "figures to compare, of all": _timed(lambda: compare(ledger.outcomes(Filter()), ())),
        "floor: a page by number": floor,
    }
    for name, timed in named.items():
        print(f"{name:28} {timed.told}")


def _floor(ledger: Ledger, num: int) -> list[Sample]:
    return [row.sample for row in ledger.rows("number > ?", (num - PAGE,))]


@dataclass(frozen=True, kw_only=True)
class Timed:
    """One look: on the clock, and of processors, which a busy machine does not lengthen as much."""

    seconds: float
    cpu_seconds: float

    @property
    def told(self) -> str:
        """In a table."""
        return f"{1e3 * self.seconds:8.1f} {1e3 * self.cpu_seconds:8.1f}"


def _timed(work: Callable[[], object]) -> Timed:
    """The middle one of some looks, by each."""
    seconds, cpu_seconds = list[float](), list[float]()
    for _ in range(REPEATS):
        began, cpu_began = time.perf_counter(), time.process_time()
        work()
        seconds.append(time.perf_counter() - began)
        cpu_seconds.append(time.process_time() - cpu_began)
    return Timed(seconds=sorted(seconds)[REPEATS // 2], cpu_seconds=sorted(cpu_seconds)[REPEATS // 2])


if __name__ == "__main__":
    main()
