"""Every generator on the same pairs: mean of each axis, share that passes every gate, CPU seconds a pair, and sheets.

python -m bench.generators [--most N] [--windows NAME ...] [--out DIR]: the sample windows, up to N looks each, one
thread. DIR gets one contact sheet a case: source, then each generator's edit.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from bench.pair_making import Case, Made, PairMaker, Window
from ditto_models import assets
from ditto_models.base import Frame, Frames, VideoGenerator
from ditto_models.embedded.flow_generator import FlowGenerator
from ditto_models.embedded.generator import LutFlowGenerator
from ditto_models.embedded.table_generator import TableGenerator
from tools.contact_sheet import contact_sheet
from tools.critic.measured import VIDEO_AXES
from tools.media import png

WINDOWS = {
    "bunny 17": ("bigbuckbunny", 17),
    "bunny 66": ("bigbuckbunny", 66),
    "city 9": ("city", 9),
    "city 58": ("city", 58),
    "city 128": ("city", 128),
    "bikes 82": ("bikes", 82),
    "bikes 137": ("bikes", 137),
    "bikes 190": ("bikes", 190),
}
"""The windows that ingest cuts of the sample clips: clip and first frame."""
LOOKS = (
    "watercolour",
    "recolour_subject",
    "winter_snow",
    "desaturate_background",
    "oil_painting",
    "night",
    "pencil_sketch",
    "fog",
    "comic",
    "brighten_subject",
    "autumn",
    "sunset",
    "crimson",
    "cyanotype",
    "sepia",
)
"""Tried in this order on every window: brush work and local edits first, since colour is easy to carry."""
SHEET_WIDTH, COLUMNS = 1600, 5


def generators() -> Sequence[VideoGenerator]:
    """All that the embedded profile can name."""
    return (LutFlowGenerator(), FlowGenerator(), TableGenerator())


def sheet(case: Case, rows: Mapping[str, Frames]) -> bytes:
    """A PNG: the case's source and its edits, frames evenly spread, labelled."""
    strips = [(f"{case.name}: {case.instruction.text}", spread(case.clip.source))]
    strips += [(label, spread(frames)) for label, frames in rows.items()]
    return png(contact_sheet(strips, SHEET_WIDTH))


def spread(frames: Frames) -> list[Frame]:
    """A few frames from the first to the last."""
    return [frames[index] for index in np.linspace(0, len(frames) - 1, COLUMNS).round().astype(int)]


def file_name(case: Case) -> str:
    """The case's name without what a path may not hold."""
    return re.sub(r"\W+", "-", case.name)


def table(made: Mapping[str, Sequence[Made]]) -> str:
    """One row an axis, one column a generator."""
    rows = [f"{'':24}" + "".join(f"{name:>12}" for name in made)]
    for axis in VIDEO_AXES:
        rows.append(f"{axis:24}" + "".join(f"{_mean(pairs, axis):>12}" for pairs in made.values()))
    shares = [float(np.mean([not pair.failed for pair in pairs])) for pairs in made.values()]
    rows.append(f"{'passes every axis':24}" + "".join(f"{share:>12.0%}" for share in shares))
    costs = [float(np.mean([pair.cpu_seconds for pair in pairs])) for pairs in made.values()]
    rows.append(f"{'CPU seconds a pair':24}" + "".join(f"{cost:>12.2f}" for cost in costs))
    return "\n".join(rows)


def _mean(pairs: Sequence[Made], axis: str) -> str:
    values = [pair.critique.scores[axis].value for pair in pairs]
    known = [value for value in values if value is not None]
    return f"{np.mean(known):.2f}" if known else "-"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.generators", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--most", type=int, default=6, help="looks a window (default 6)")
    parser.add_argument("--windows", nargs="+", default=list(WINDOWS), choices=list(WINDOWS), metavar="NAME")
    parser.add_argument("--out", type=Path, help="folder for a contact sheet of every case")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    maker, rivals = PairMaker(), generators()
    made: dict[str, list[Made]] = {rival.name: [] for rival in rivals}
    for name in arguments.windows:
        asset, start = WINDOWS[name]
        clip = maker.clip(Window(name=name, path=assets.ensure(asset), start_frame=start))
        for case in maker.cases(clip, LOOKS, arguments.most):
            for rival in rivals:
                made[rival.name].append(maker.made(case, type(rival)()))
            latest = {rival: pairs[-1] for rival, pairs in made.items()}
            said = ", ".join(f"{rival} {'+'.join(pair.failed) or 'passes'}" for rival, pair in latest.items())
            print(f"{case.name}: {said}", flush=True)
            if arguments.out:
                arguments.out.mkdir(parents=True, exist_ok=True)
                labelled = {f"{rival}  {'+'.join(p.failed)}": p.edited for rival, p in latest.items()}
                (arguments.out / f"{file_name(case)}.png").write_bytes(sheet(case, labelled))
            for pairs in made.values():
                pairs[-1] = pairs[-1].without_pixels()
    print(f"\n{sum(map(len, made.values())) // len(made)} cases", table(made), sep="\n")


if __name__ == "__main__":
    main()
