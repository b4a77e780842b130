"""A model judge against a person's labels: how well each axis tells good pairs from bad, and what its profile decides.

python -m bench.held_out_judge [--profile served] [--set KEY=VALUE] [--clips DIR] [--windows NAME ...]: makes the
labelled pairs of `bench.held_out` again and asks the servers that the profile names. Thresholds are set by what it
prints.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from agent.judge.pair_judge import PairJudge, build_pair_judge
from agent.judge.pair_verdict import verdict_on
from agent.profile import Profile, load_profile
from bench.held_out import WINDOWS, fetch, labelled_looks, labels
from bench.pair_making import Made, PairMaker, Window
from ditto_models.assets import cache_folder
from ditto_models.base import VideoGenerator
from ditto_models.embedded.flow_generator import FlowGenerator
from ditto_models.embedded.generator import LutFlowGenerator
from memory.sample import Verdict

NOT_NEEDED = frozenset({"safety", "distinct"})
"""Not measured of pairs that are made here."""


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """A pair that a person called good or bad, and what was said of it."""

    good: bool
    measured: Verdict
    combined: Verdict


async def judged(made: Made, judge: PairJudge, profile: Profile, good: bool) -> Labelled:
    """Ask the model of one pair."""
    case = made.case
    shown = await asyncio.to_thread(judge.judge.clip, case.clip.source, made.edited, case.clip.fps)
    said = await judge.ask(shown, case.instruction.text)
    alone = frozenset({*NOT_NEEDED, *judge.axes})
    return Labelled(
        good=good,
        measured=verdict_on(made.critique, profile.policy, alone),
        combined=verdict_on(made.critique, profile.policy, NOT_NEEDED, said),
    )


def told_apart(pairs: Sequence[Labelled], axis: str) -> float | None:
    """How often a good pair scores above a bad one, ties half (area under the ROC curve); None without both kinds."""
    values: dict[bool, list[float]] = {True: [], False: []}
    for pair in pairs:
        value = pair.combined.scores[axis].value
        if value is not None:
            values[pair.good].append(value)
    wins = [(good > bad) + (good == bad) / 2 for good in values[True] for bad in values[False]]
    return sum(wins) / len(wins) if wins else None


def report(pairs: Sequence[Labelled]) -> list[str]:
    """Decisions against labels, and every axis by itself."""
    lines = []
    for name in ("measured", "combined"):
        counts: Counter[str] = Counter()
        for pair in pairs:
            verdict: Verdict = getattr(pair, name)
            counts[f"{'good' if pair.good else 'bad'} {verdict.decision}"] += 1
        lines.append(f"{name}: " + ", ".join(f"{outcome} {count}" for outcome, count in sorted(counts.items())))
    unjudged: dict[str, int] = defaultdict(int)
    for axis in pairs[0].combined.scores if pairs else ():
        unjudged[axis] = sum(pair.combined.scores[axis].value is None for pair in pairs)
        area = told_apart(pairs, axis)
        shown = "not judged on both" if area is None else f"good above bad {area:.2f}"
        lines.append(f"{axis}: {shown}, not judged {unjudged[axis]} of {len(pairs)}")
    return lines


async def run(arguments: argparse.Namespace, profile: Profile, judge: PairJudge) -> list[Labelled]:
    """Every labelled pair of the windows, one after another."""
    maker, known, found = PairMaker(), labels(), []
    rivals: list[VideoGenerator] = [LutFlowGenerator(meter=maker.meter), FlowGenerator(meter=maker.meter)]
    await judge.check()
    for name in arguments.windows:
        file, start = WINDOWS[name]
        clip = maker.clip(Window(name=name, path=arguments.clips / file, start_frame=start))
        for case in [maker.case(clip, look) for look in labelled_looks(known, name)]:
            for rival in rivals:
                label, _ = known.get((case.name, rival.name), ("", ""))
                if not label:
                    continue
                pair = await judged(maker.made(case, rival), judge, profile, label == "good")
                found.append(pair)
                scores = {axis: pair.combined.scores[axis].value for axis in judge.axes}
                values = ", ".join(
                    f"{axis} {'-' if value is None else f'{value:.2f}'}" for axis, value in scores.items()
                )
                print(f"{case.name} | {rival.name} | {label} {pair.combined.decision} | {values}", flush=True)
    await judge.close()
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.held_out_judge", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--profile", default="served", help="whose judge, servers and thresholds")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    parser.add_argument("--clips", type=Path, default=cache_folder() / "held_out", help="where the clips are, or go")
    parser.add_argument("--windows", nargs="+", default=list(WINDOWS), choices=list(WINDOWS), metavar="NAME")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    profile = load_profile(arguments.profile, arguments.overrides)
    judge = build_pair_judge(profile)
    if judge is None:
        parser.error(f"profile {arguments.profile!r} has no model to judge; expected judge.kind=vllm")
    fetch(arguments.clips)
    print(*report(asyncio.run(run(arguments, profile, judge))), sep="\n")


if __name__ == "__main__":
    main()
