"""A contact sheet: labelled rows of thumbnails in one picture, as planners and people see a sample."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import cv2
import numpy as np

from ditto_models.base import Frame

MARGIN = 8
"""Pixels round the sheet and between thumbnails."""
LABEL_HEIGHT = 24
FONT, FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.5
PAPER, INK = 32, 225
PUNCTUATION = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "–": "-", "—": "-", "×": "x"})
LEAST_COLUMNS = 4
"""A row of fewer frames keeps the thumbnails of the others' size."""


def contact_sheet(rows: Sequence[tuple[str, Sequence[Frame]]], width: int) -> Frame:
    """Rows of (label, HWC uint8 RGB frames) as one picture of `width` pixels, HWC uint8 RGB.

    Thumbnails have one width through all rows, and each its frame's shape. A label that is too long is cut.
    """
    columns = max([LEAST_COLUMNS, *(len(frames) for _, frames in rows)])
    cell = cell_width(columns, width)
    if cell < 8:
        raise ValueError(
            f"{columns} frames in {width} pixels leave {cell} each; expected a wider sheet or fewer frames"
        )
    strips = [strip for label, frames in rows for strip in (_label(label, width), _thumbnails(frames, cell, width))]
    return np.concatenate([_paper(MARGIN, width), *strips])


def cell_width(columns: int, width: int) -> int:
    """Pixels across that a thumbnail has in a sheet of `width` pixels."""
    return (width - MARGIN * (columns + 1)) // columns


def thumbnail(frame: Frame, cell: int) -> Frame:
    """A frame HWC uint8 RGB at `cell` pixels across, in its own shape."""
    height, width = frame.shape[:2]
    kind = cv2.INTER_AREA if width > cell else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(frame, (cell, max(1, round(height * cell / width))), interpolation=kind), np.uint8)


def _thumbnails(frames: Sequence[Frame], cell: int, width: int) -> Frame:
    small = [thumbnail(frame, cell) for frame in frames]
    strip = _paper(max((len(one) for one in small), default=0) + MARGIN, width)
    for column, one in enumerate(small):
        left = MARGIN + column * (cell + MARGIN)
        strip[: len(one), left : left + cell] = one
    return strip


def _label(text: str, width: int) -> Frame:
    strip = _paper(LABEL_HEIGHT, width)
    words = _fitting(_ascii(text), width - 2 * MARGIN)
    cv2.putText(strip, words, (MARGIN, LABEL_HEIGHT - 8), FONT, FONT_SCALE, (INK, INK, INK), 1, cv2.LINE_AA)
    return strip


def _fitting(text: str, width: int) -> str:
    """The text, cut with dots where it would be wider than `width` pixels."""
    kept = text
    while kept and cv2.getTextSize(kept if kept == text else f"{kept}...", FONT, FONT_SCALE, 1)[0][0] > width:
        kept = kept[:-1]
    return text if kept == text else f"{kept.rstrip()}..."


def _ascii(text: str) -> str:
    """The font knows ASCII only: accents are dropped, anything else becomes a question mark."""
    plain = unicodedata.normalize("NFKD", text.translate(PUNCTUATION))
    bare = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return "".join(letter if " " <= letter <= "~" else "?" for letter in bare)


def _paper(height: int, width: int) -> Frame:
    return np.full((height, width, 3), PAPER, dtype=np.uint8)
