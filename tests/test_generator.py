from collections.abc import Callable, Mapping

import cv2
import numpy as np
import pytest

from ditto_models.base import EditRequest, Frame, Frames, KeyFramedClip, Masks, Route, VideoGenerator
from ditto_models.embedded.enhancer import TemporalEnhancer
from ditto_models.embedded.flow import FlowConfig, measure_flow
from ditto_models.embedded.flow_generator import FlowGenerator
from ditto_models.embedded.flow_meter import FlowMeter
from ditto_models.embedded.generator import LutFlowGenerator
from ditto_models.embedded.lut import fit_lut
from ditto_models.embedded.table_generator import TableGenerator
from ditto_models.metrics.flow_warp import steadiness
from ditto_models.metrics.sharpness import sharpness
from tests.moving_scene import darker_and_bluer, moving_scene

SCENE = moving_scene()
KEY = 6
Maker = Callable[[], VideoGenerator]
every_generator = pytest.mark.parametrize("maker", [LutFlowGenerator, FlowGenerator, TableGenerator])
NO_PARAMETERS: Mapping[str, str] = {}


def request(parameters: Mapping[str, str]) -> EditRequest:
    return EditRequest(text="", edit_type="test", scope="global", parameters=parameters, strength=1.0, seed=0)


def generate(
    key_edited: Frame,
    route: Route = "structure",
    frames: Frames = SCENE.frames,
    masks: Masks = SCENE.masks,
    parameters: Mapping[str, str] = NO_PARAMETERS,
    index: int = KEY,
    maker: Maker = LutFlowGenerator,
) -> Frames:
    clip = KeyFramedClip(source=frames, masks=masks, key_index=index, key_edited=key_edited)
    return maker().generate(clip, request(parameters), route)


def only_the_subject(frame: Frame, mask: np.ndarray) -> Frame:
    blue = frame[..., ::-1].astype(np.float32)
    return np.asarray(np.rint(frame + mask[..., None] * (blue - frame)), dtype=np.uint8)


def only_the_background(frame: Frame, mask: np.ndarray) -> Frame:
    return np.rint(frame + (1 - mask[..., None]) * (darker_and_bluer(frame) - frame.astype(np.float32))).astype(
        np.uint8
    )


@every_generator
def test_an_unchanged_key_frame_changes_nothing(maker: Maker) -> None:
    edited = generate(SCENE.frames[KEY], maker=maker)
    assert np.abs(edited.astype(int) - SCENE.frames).mean() < 1.5


@every_generator
def test_a_grade_reaches_every_frame(maker: Maker) -> None:
    wanted = np.stack([darker_and_bluer(frame) for frame in SCENE.frames])
    edited = generate(wanted[KEY], maker=maker)
    assert edited.shape == SCENE.frames.shape
    assert edited.dtype == np.uint8
    errors = np.abs(edited.astype(int) - wanted).mean(axis=(1, 2, 3))
    assert errors.max() < 3
    assert errors.max() < 0.1 * np.abs(SCENE.frames.astype(int) - wanted).mean()


@every_generator
def test_a_recoloured_subject_is_followed_and_the_rest_is_the_source(maker: Maker) -> None:
    edited = generate(only_the_subject(SCENE.frames[KEY], SCENE.masks[KEY]), "mask", maker=maker)
    for frame, before, mask in zip(edited, SCENE.frames, SCENE.masks, strict=True):
        inside, outside = mask > 0.98, mask < 0.02
        assert np.array_equal(frame[outside], before[outside])
        assert frame[inside][:, 2].mean() > frame[inside][:, 0].mean() + 60


@every_generator
@pytest.mark.parametrize("parameters", [{}, {"region": "background"}])
def test_a_background_edit_leaves_the_subject_alone(parameters: dict[str, str], maker: Maker) -> None:
    edited = generate(
        only_the_background(SCENE.frames[KEY], SCENE.masks[KEY]), "mask", parameters=parameters, maker=maker
    )
    for frame, before, mask in zip(edited, SCENE.frames, SCENE.masks, strict=True):
        subject, background = mask > 0.98, mask < 0.02
        assert np.array_equal(frame[subject], before[subject])
        assert frame[background].mean() < 0.8 * before[background].mean()


@pytest.mark.parametrize(("maker", "least"), [(LutFlowGenerator, 215), (FlowGenerator, 205)])
def test_marks_on_the_key_frame_move_with_what_they_are_on(maker: Maker, least: int) -> None:
    key = SCENE.frames[KEY].copy()
    centre = np.array([45 + 3 * KEY, 48 + KEY])
    cv2.circle(key, centre.tolist(), 5, (255, 255, 255), -1)
    edited = generate(key, maker=maker)
    for index in (KEY - 3, KEY + 3):
        x, y = 45 + 3 * index, 48 + index
        assert edited[index, y, x].mean() > least
        still = edited[index, centre[1], centre[0] + (9 if index < KEY else -9)]
        assert still.mean() < 200


@every_generator
def test_the_same_call_gives_the_same_frames(maker: Maker) -> None:
    key = np.asarray(cv2.medianBlur(darker_and_bluer(SCENE.frames[KEY]), 5), dtype=np.uint8)
    assert np.array_equal(generate(key, maker=maker), generate(key, maker=maker))


@every_generator
@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("route", ["structure", "mask"])
def test_plain_frames_take_the_plain_edit(level: int, route: Route, maker: Maker) -> None:
    frames = np.full((13, 48, 64, 3), level, np.uint8)
    edited = generate(np.full((48, 64, 3), 77, np.uint8), route, frames, np.ones((13, 48, 64), np.float32), maker=maker)
    assert np.abs(edited.astype(int) - 77).max() <= 1


@every_generator
@pytest.mark.parametrize("fill", [0.0, 0.003, 1.0])
@pytest.mark.parametrize("route", ["structure", "mask"])
def test_odd_masks_and_sizes_do_no_harm(fill: float, route: Route, maker: Maker) -> None:
    frames = SCENE.frames[:, :91, :157]
    masks = np.full(frames.shape[:3], fill, np.float32)
    key = darker_and_bluer(frames[KEY])
    edited = generate(key, route, frames, masks, maker=maker)
    assert edited.shape == frames.shape
    assert np.abs(edited[KEY].astype(int) - key).mean() < 4


@every_generator
def test_a_subject_that_appears_after_the_key_frame_is_not_torn(maker: Maker) -> None:
    masks = SCENE.masks.copy()
    masks[: KEY + 1] = 0
    edited = generate(SCENE.frames[KEY], "mask", masks=masks, parameters={"region": "subject"}, maker=maker)
    assert np.abs(edited.astype(int) - SCENE.frames).mean() < 4


@every_generator
def test_only_the_key_frame_in_the_clip(maker: Maker) -> None:
    key = darker_and_bluer(SCENE.frames[KEY])
    one = slice(KEY, KEY + 1)
    edited = generate(key, frames=SCENE.frames[one], masks=SCENE.masks[one], index=0, maker=maker)
    assert np.abs(edited[0].astype(int) - key).mean() < 2


def test_a_key_frame_that_does_not_fit_its_clip_is_refused() -> None:
    with pytest.raises(ValueError, match="key_edited"):
        generate(SCENE.frames[KEY][:50])
    with pytest.raises(ValueError, match="masks"):
        generate(SCENE.frames[KEY], masks=SCENE.masks[1:])
    with pytest.raises(ValueError, match="key_index"):
        generate(SCENE.frames[0], index=13)


def test_a_table_fits_any_smooth_change_of_colour() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (80, 80, 3)).astype(np.uint8)
    wanted = (255 * (frame / 255.0) ** 1.5 * [0.5, 0.8, 1.0]).astype(np.float32)
    table = fit_lut(frame, wanted, np.ones((80, 80), np.float32))
    assert np.abs(table.apply(frame) - wanted).mean() < 1


def test_a_table_of_nothing_is_the_identity() -> None:
    frame = SCENE.frames[0]
    table = fit_lut(frame, np.zeros(frame.shape, np.float32), np.zeros(frame.shape[:2], np.float32))
    assert np.abs(table.apply(frame) - frame).max() < 0.01


def flickering(frames: Frames) -> Frames:
    random = np.random.default_rng(3)
    gains = 1 + random.normal(0, 0.06, len(frames))
    grain = random.normal(0, 10, (len(frames), 24, 40, 3))
    coarse = np.stack([cv2.resize(one, (frames.shape[2], frames.shape[1])) for one in grain])
    return np.asarray(np.clip(frames * gains[:, None, None, None] + coarse, 0, 255), dtype=np.uint8)


def test_the_enhancer_takes_out_flicker_and_keeps_detail() -> None:
    clean = np.stack([darker_and_bluer(frame) for frame in SCENE.frames])
    shaky, flow = flickering(clean), measure_flow(SCENE.frames)
    before = steadiness(SCENE.frames, shaky, flow).edited_error
    low = TemporalEnhancer().enhance(SCENE.frames, shaky, "low", 0)
    medium = TemporalEnhancer().enhance(SCENE.frames, shaky, "medium", 0)
    assert low.shape == shaky.shape
    assert steadiness(SCENE.frames, low, flow).edited_error < 0.5 * before
    assert steadiness(SCENE.frames, medium, flow).edited_error < steadiness(SCENE.frames, low, flow).edited_error
    assert sharpness(clean, medium).ratio > 0.8
    assert np.abs(medium - clean.astype(float)).mean() < np.abs(shaky - clean.astype(float)).mean()


def test_the_enhancer_leaves_the_source_alone() -> None:
    assert np.array_equal(TemporalEnhancer().enhance(SCENE.frames, SCENE.frames, "medium", 0), SCENE.frames)


def test_a_clip_that_was_measured_is_not_measured_again() -> None:
    meter, other = FlowMeter(keep=1), SCENE.frames[::-1].copy()
    flow = meter.measure(SCENE.frames)
    assert meter.measure(SCENE.frames.copy()) is flow, "known by its pixels, not by where they lie"
    assert all(map(np.array_equal, flow.to_next, measure_flow(SCENE.frames).to_next))
    assert meter.measure(SCENE.frames, FlowConfig(max_width=80)).to_next[0].shape[1] == 80
    meter.measure(other)
    assert meter.measure(SCENE.frames) is not flow, "the oldest goes"
