"""Pictures of the test of the curriculum: held-out loss by step, and what each arm makes of held-out sources."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from bench.curriculum_arms import HELD_OUT, ArmResult, folder_of, with_result
from bench.curriculum_base import vace_of
from bench.curriculum_clips import OPTIONS, Pair, pairs
from bench.curriculum_measures import decoded, generated
from bench.curriculum_pairs import KEY_INDEX, ProceduralItems, fitted_codec
from bench.curriculum_setting import ARMS, LONGER, Setting

COLOURS = {"curriculum": "#1f6fb4", "instruction alone": "#d1701f", "frame always": "#777777", LONGER: "#7a3fa0"}
ENLARGED, MARGIN, CAPTION = 2, 6, 18
QUALITY = 55
"""Of the JPEG."""
Picture = npt.NDArray[np.uint8]


def draw_curves(setting: Setting, results: Sequence[ArmResult], path: Path) -> None:
    """A thin line for each seed, a thick one for their mean."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), constrained_layout=True)
    for arm in (*ARMS, LONGER):
        curves = [np.array(result.curve) for result in results if result.arm == arm]
        for curve in curves:
            axes.plot(curve[:, 0], curve[:, 1], color=COLOURS[arm], linewidth=0.7, alpha=0.5)
        if curves:
            axes.plot(curves[0][:, 0], np.mean(curves, axis=0)[:, 1], color=COLOURS[arm], linewidth=2, label=arm)
    end = setting.steps * setting.anneal_share
    axes.axvline(end, color="#bbbbbb", linestyle=":", linewidth=1)
    axes.annotate("curriculum: the frame is gone", (end, 0.98), xycoords=("data", "axes fraction"), va="top", size=8)
    axes.set(xlabel="step", ylabel="held-out loss, instruction alone")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def draw_edits(setting: Setting, results: Sequence[ArmResult], out: Path, path: Path, most: int = 12) -> None:
    """A row for each of some held-out pairs: source, edited, and what each arm makes of it, with the first seed."""
    codec, made = fitted_codec(setting.codec_clips), _varied(pairs(HELD_OUT, setting.num_held_out), most)
    items = ProceduralItems(made, codec)
    columns: dict[str, list[Picture]] = {
        "source": [decoded(codec, item.source_CTHW)[KEY_INDEX] for item in items.all()],
        "wanted": [decoded(codec, item.edited_CTHW)[KEY_INDEX] for item in items.all()],
    }
    for arm in (*ARMS, LONGER):
        network = _network(results, arm, out)
        if network is not None:
            columns[arm] = [decoded(codec, each)[KEY_INDEX] for each in generated(network, items.all(), setting)]
    titles = _titles(list(columns))
    rows = [_row([column[place] for column in columns.values()], each.instruction) for place, each in enumerate(made)]
    half = -(-len(rows) // 2)
    blank = np.full_like(rows[0], 255)
    left, right = rows[:half], [*rows[half:], *[blank] * (2 * half - len(rows))]
    sheet = np.concatenate([np.concatenate([titles, *left]), np.concatenate([titles, *right])], axis=1)
    cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


def _network(results: Sequence[ArmResult], arm: str, out: Path) -> Any:
    of_arm = [result for result in results if result.arm == arm]
    if not of_arm:
        return None
    first = of_arm[0]
    return with_result(vace_of(out / "base", first.seed), out / folder_of(arm, first.seed))


def _varied(made: Sequence[Pair], most: int) -> list[Pair]:
    """The first of each kind, then the second, and so on."""
    seen = dict.fromkeys(OPTIONS, 0)
    ranked = []
    for place, each in enumerate(made):
        ranked.append((seen[each.kind], place))
        seen[each.kind] += 1
    return [made[place] for _, place in sorted(ranked)[:most]]


def _row(pictures: Sequence[Picture], instruction: str) -> Picture:
    tiles = [cv2.resize(each, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_NEAREST) for each in pictures]
    tiles = [cv2.copyMakeBorder(tile, 0, 0, 0, MARGIN, cv2.BORDER_CONSTANT, value=(255,) * 3) for tile in tiles]
    joined = np.concatenate(tiles, axis=1)
    return np.concatenate([joined, _line(instruction, joined.shape[1])]).astype(np.uint8)


def _titles(names: Sequence[str]) -> Picture:
    side = 64 * ENLARGED + MARGIN
    return np.concatenate([_line(name, side) for name in names], axis=1)


def _line(text: str, width: int) -> Picture:
    blank = np.full((CAPTION, width, 3), 255, np.uint8)
    cv2.putText(blank, text, (2, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return blank
