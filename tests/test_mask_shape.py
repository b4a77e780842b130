"""Masks that flicker, lose a frame or have holes come out steady; nothing is made of nothing."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ditto_models.base import Masks
from ditto_models.gpu.mask_shape import MaskShapeConfig, closed, dilated, filled, shaped, steadied

HEIGHT, WIDTH = 48, 64


def discs(centres: list[tuple[int, int]], radius: int = 8) -> Masks:
    masks = np.zeros((len(centres), HEIGHT, WIDTH), np.float32)
    for mask, centre in zip(masks, centres, strict=True):
        cv2.circle(mask, centre, radius, 1.0, -1)
    return masks


@st.composite
def blobs(draw: st.DrawFn) -> Masks:
    """A few frames of random discs, some frames without."""
    masks = np.zeros((draw(st.integers(1, 6)), HEIGHT, WIDTH), np.float32)
    for mask in masks:
        for _ in range(draw(st.integers(0, 2))):
            centre = draw(st.integers(0, WIDTH - 1)), draw(st.integers(0, HEIGHT - 1))
            cv2.circle(mask, centre, draw(st.integers(1, 14)), 1.0, -1)
    return masks


def overlap(one: Masks, other: Masks) -> float:
    return float(np.minimum(one, other).sum() / np.maximum(one, other).sum())


@settings(max_examples=40)
@given(blobs(), st.integers(0, 9), st.integers(0, 9))
def test_widening_and_closing_contain_what_they_were_given_and_grow_with_their_share(
    masks: Masks, pixels: int, more: int
) -> None:
    share, larger = pixels / HEIGHT, (pixels + more) / HEIGHT
    for change in (dilated, closed):
        once = change(masks, share)
        assert (once >= masks).all()
        assert set(np.unique(once)) <= {0, 1}
    assert (dilated(masks, larger) >= dilated(masks, share)).all()
    assert (closed(masks, share) <= dilated(masks, share)).all()


@settings(max_examples=40)
@given(blobs(), st.integers(0, 3), st.sampled_from([1, 3, 5]))
def test_shaping_keeps_shape_and_kind_and_makes_nothing_of_nothing(masks: Masks, fill: int, window: int) -> None:
    config = MaskShapeConfig(fill_frames=fill, window=window, dilate_share=0.05)
    found = shaped(masks, config)
    assert found.shape == masks.shape
    assert found.dtype == np.float32
    assert set(np.unique(found)) <= {0, 1}
    assert not shaped(np.zeros_like(masks), config).any()


@settings(max_examples=30)
@given(st.integers(0, 40), st.integers(0, 30), st.integers(-3, 3), st.integers(1, 7))
def test_a_frame_without_a_mask_is_filled_where_the_object_is(left: int, top: int, speed: int, gone: int) -> None:
    whole = discs([(left + 12 + speed * place, top + 9) for place in range(9)])
    broken = whole.copy()
    broken[gone] = 0
    assert overlap(filled(broken, 1), whole) > 0.97
    assert overlap(shaped(broken, MaskShapeConfig()), whole) > 0.93


def test_what_is_gone_for_longer_stays_gone() -> None:
    masks = discs([(30, 24)] * 9)
    masks[3:6] = 0
    assert not filled(masks, 2)[3:6].any()
    assert filled(masks, 3)[3:6].any(axis=(1, 2)).all()
    masks[3:] = 0
    assert np.array_equal(filled(masks, 3), masks), "nothing comes after it"


def test_a_spot_of_one_frame_goes_and_a_hole_of_one_frame_is_closed() -> None:
    whole = discs([(20, 24)] * 5)
    flawed = whole.copy()
    cv2.circle(flawed[2], (52, 30), 5, 1.0, -1)
    cv2.circle(flawed[3], (20, 24), 6, 0.0, -1)
    assert np.array_equal(steadied(flawed, 3), whole)


def test_what_moves_is_neither_smeared_nor_lost() -> None:
    slow = discs([(12 + 2 * place, 20) for place in range(9)])
    assert overlap(steadied(slow, 3), slow) > 0.99
    leaping = discs([(6 + 12 * place, 24) for place in range(5)], radius=4)
    assert np.array_equal(steadied(leaping, 3), leaping)


def test_holes_in_an_object_are_closed_up_to_their_size() -> None:
    masks = discs([(32, 24)], radius=16)
    cv2.circle(masks[0], (32, 24), 3, 0.0, -1)
    assert not closed(masks, 0.0)[0, 24, 32]
    assert closed(masks, 5 / HEIGHT)[0, 24, 32]
