"""What the measured critic makes of edits by words: each axis fair of what the kind of edit may do, or null."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from ditto_models.base import Frames, Masks
from tests.moving_scene import darker_and_bluer, moving_scene
from tools.critic.evidence import Evidence
from tools.critic.measured import THRESHOLDS, MeasuredCritic

SCENE = moving_scene(num_frames=13, height=144, width=240)
SOURCE, MASKS = SCENE.frames, SCENE.masks
KEY = 6


def checked(share: float = 1.0) -> Frames:
    """The subject replaced by a checkerboard: nothing of its shape is left."""
    y, x = np.mgrid[:144, :240]
    board = np.where(((x // 6 + y // 6) % 2)[..., None] > 0, 230, 25).astype(np.float32)
    inside = share * MASKS[..., None]
    return np.asarray(np.rint(SOURCE * (1 - inside) + board * inside), np.uint8)


def grown(masks: Masks, pixels: int = 5) -> Masks:
    return np.stack([cv2.dilate(mask, np.ones((pixels, pixels), np.uint8)) for mask in masks])


REPLACED = Evidence(
    source=SOURCE,
    edited=checked(),
    masks=grown(MASKS),
    key_index=KEY,
    key_edited=checked()[KEY],
    scope="local",
    unsafe_probability=0.02,
    reshaped=True,
    repainted=True,
    masks_are_grown=True,
)


def failed(evidence: Evidence) -> set[str]:
    scores = MeasuredCritic().judge_video(evidence).scores
    return {axis for axis, score in scores.items() if score.value is not None and score.value < THRESHOLDS[axis]}


def unjudged(evidence: Evidence) -> set[str]:
    scores = MeasuredCritic().judge_video(evidence).scores
    return {axis for axis, score in scores.items() if score.value is None}


def test_another_thing_in_the_place_of_one_is_no_fault_of_shape_or_motion() -> None:
    assert failed(REPLACED) == set()
    assert unjudged(REPLACED) == {"edit_applied"}
    assert failed(replace(REPLACED, reshaped=False)) & {"source_structure", "key_frame_followed"}


def test_outside_of_what_is_replaced_everything_is_held_to_the_source() -> None:
    rolled = np.stack([np.roll(frame, 6 * (-1) ** index, axis=1) for index, frame in enumerate(SOURCE)])
    spoilt = np.where(grown(MASKS)[..., None] > 0.5, REPLACED.edited, rolled)
    assert failed(replace(REPLACED, edited=spoilt)) >= {"source_structure", "scope_confined", "temporal_steadiness"}


def test_a_video_that_does_not_show_the_edited_key_frame_fails_it() -> None:
    assert "key_frame_followed" in failed(replace(REPLACED, edited=SOURCE.copy()))
    assert "key_frame_followed" in failed(replace(REPLACED, edited=checked(0.2)))


def test_what_an_editor_does_to_all_the_rest_does_not_hide_a_small_edit() -> None:
    drift = np.clip(REPLACED.key_edited.astype(int) + 3, 0, 255).astype(np.uint8)  # type: ignore[union-attr]
    assert "key_frame_followed" not in failed(replace(REPLACED, key_edited=drift))


@pytest.mark.parametrize(
    ("changes", "null"),
    [
        ({"reshaped": True}, {"source_structure", "source_motion", "temporal_steadiness"}),
        ({"restyled": True, "lively": True}, {"source_motion", "temporal_steadiness"}),
        ({"restyled": True}, set()),
        ({}, set()),
    ],
)
def test_of_a_global_edit_only_what_it_may_change_is_not_judged(changes: dict[str, bool], null: set[str]) -> None:
    night = np.stack([darker_and_bluer(frame) for frame in SOURCE])
    plain = {"reshaped": False, "masks": MASKS, "masks_are_grown": False, "scope": "global"}
    evidence = replace(REPLACED, edited=night, key_edited=night[KEY], **(plain | changes))  # type: ignore[arg-type]
    assert unjudged(evidence) == null | {"edit_applied"}
    assert failed(evidence) == set()
