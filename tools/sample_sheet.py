"""The contact sheet of a sample, as planners and people see it: source, key frame before and after, edited video."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ditto_models.base import Frame, Frames
from memory.sample import Sample
from tools.contact_sheet import cell_width, contact_sheet, thumbnail
from tools.media import Media, png

COLUMNS = 4
WIDTH = 896


def sample_sheet(sample: Sample, media: Media) -> bytes:
    """A PNG of what the sample has so far; a grey strip before it has a clip."""
    rows: list[tuple[str, list[Frame]]] = []
    if sample.clip and sample.clip.video:
        rows.append(("source", _spread(media.frames(sample.clip.video))))
    if sample.key_frame:
        edited = [sample.key_frame.chosen] if sample.key_frame.chosen else sample.key_frame.candidates
        images = [media.image(reference) for reference in (sample.key_frame.source, *edited)]
        rows.append((f"key frame {sample.key_frame.index}: before, after", images))
    if sample.edit:
        text = sample.instruction.text if sample.instruction else ""
        rows.append((f"edited: {text}", _spread(media.frames(sample.edit.video))))
    return png(contact_sheet(rows, WIDTH))


def _spread(frames: Frames) -> list[Frame]:
    places = np.linspace(0, len(frames) - 1, COLUMNS).round().astype(int)
    return [frames[place] for place in places]


def pairs_sheet(samples: Sequence[Sample], media: Media) -> bytes:
    """A PNG of several samples that have an edited video: for each a row of the source and one of the edit.

    Raises:
        ValueError: none has one.
    """
    rows: list[tuple[str, list[Frame]]] = []
    for sample in samples:
        if sample.clip and sample.edit and sample.instruction:
            why = f" ({', '.join(sample.reasons)})" if sample.reasons else ""
            rows.append((f"{sample.id} {sample.decision}{why}", small_frames(media.frames(sample.clip.video))))
            rows.append((sample.instruction.text, small_frames(media.frames(sample.edit.video))))
    if not rows:
        raise ValueError(f"none of {len(samples)} samples has an edited video; expected one to show")
    return png(contact_sheet(rows, WIDTH))


def small_frames(frames: Frames) -> list[Frame]:
    """A few frames of THWC, shrunk at once: a view would keep its whole video in memory until the sheet is done."""
    cell = cell_width(COLUMNS, WIDTH)
    return [thumbnail(frame, cell) for frame in _spread(frames)]
