"""An object that an edit adds is found in the key frame and followed with what it stands on."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ditto_models.base import Frame, Mask
from ditto_models.gpu.changed_region import ChangedRegionConfig, changed_mask, changed_masks
from tests.moving_scene import moving_scene

KEY = 6
CONFIG = ChangedRegionConfig()


def redrawn(frame: Frame, seed: int = 0) -> Frame:
    """An unchanged picture as image editors give it back: scaled there and back, moved a little, tinted, grainy."""
    height, width = frame.shape[:2]
    scaled = cv2.resize(frame, None, fx=1.13, fy=1.13, interpolation=cv2.INTER_CUBIC)
    back = cv2.resize(scaled, (width, height), interpolation=cv2.INTER_AREA)
    moved = cv2.warpAffine(back, np.array([[1, 0, 0.6], [0, 1, -0.4]]), (width, height), borderMode=cv2.BORDER_REFLECT)
    grain = np.random.default_rng(seed).normal(0, 3, frame.shape)
    return np.asarray(np.clip(moved * np.array([1.04, 1.0, 0.95]) + [4, -2, 3] + grain, 0, 255), np.uint8)


def with_sticker(frame: Frame, left: int, top: int) -> tuple[Frame, Mask]:
    """A blue sticker, 20 x 14, and where it is."""
    mask = np.zeros(frame.shape[:2], np.float32)
    mask[top : top + 14, left : left + 20] = 1
    return np.where(mask[..., None] > 0, np.array([20, 60, 230]), frame).astype(np.uint8), mask


def overlap(one: Mask, other: Mask) -> float:
    return float(np.minimum(one, other).sum() / np.maximum(one, other).sum())


def test_a_redrawn_picture_has_not_changed_and_what_is_added_has() -> None:
    source = moving_scene().frames[KEY]
    assert not changed_mask(source, source, CONFIG).any()
    assert not changed_mask(source, redrawn(source), CONFIG).any()
    edited, wanted = with_sticker(redrawn(source), 60, 45)
    assert overlap(changed_mask(source, edited, CONFIG), wanted) > 0.8


def test_a_small_second_part_is_noise_and_a_large_one_is_not() -> None:
    source = moving_scene().frames[KEY]
    edited, first = with_sticker(source, 20, 20)
    edited, second = with_sticker(edited, 110, 60)
    cv2.circle(edited, (75, 15), 2, (250, 250, 250), -1)
    found = changed_mask(source, edited, CONFIG)
    assert overlap(found, np.maximum(first, second)) > 0.8
    assert not found[12:18, 72:78].any()


def test_the_mask_goes_along_with_what_the_object_is_on() -> None:
    source = moving_scene().frames
    edited, wanted = with_sticker(redrawn(source[KEY]), 45 + 3 * KEY - 10, 48 + KEY - 7)  # on the disc
    masks = changed_masks(source, KEY, edited)
    assert masks.shape == source.shape[:3]
    assert set(np.unique(masks)) == {0, 1}
    assert (masks[KEY] >= wanted).all()
    for index, mask in enumerate(masks):
        moved = np.roll(wanted, (index - KEY, 3 * (index - KEY)), axis=(0, 1))
        assert float((mask * moved).sum() / moved.sum()) > 0.95, index
        assert overlap(mask, moved) > 0.5, index


def test_the_key_frame_keeps_its_mask_beside_a_cut() -> None:
    scene = moving_scene().frames
    source = np.concatenate([255 - scene[3:6, ::-1, ::-1], scene[:4]])
    edited, wanted = with_sticker(source[3], 60, 45)
    assert (changed_masks(source, 3, edited)[3] >= wanted * changed_mask(source[3], edited, CONFIG)).all()


def test_nothing_changed_gives_no_mask_and_a_wrong_frame_is_refused() -> None:
    source = moving_scene(5).frames
    assert not changed_masks(source, 2, source[2]).any()
    assert changed_masks(source[2:3], 0, with_sticker(source[2], 60, 45)[0]).any()
    with pytest.raises(ValueError, match="expected the source's frame size"):
        changed_masks(source, 2, source[2, ::2])
    with pytest.raises(ValueError, match="key_index is 5"):
        changed_masks(source, 5, source[2])
