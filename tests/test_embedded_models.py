"""The CPU models on real clips."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import av
import cv2
import numpy as np
import pytest

from ditto_models import assets
from ditto_models.base import Frames
from ditto_models.embedded.clip_describer import ClipDescriber
from ditto_models.embedded.safety import OpenNsfw, prepared
from ditto_models.embedded.subject_masker import SubjectMasker
from ditto_models.embedded.text_embedder import BgeSmallEmbedder, BgeSmallEmbedderConfig


@cache
def window(clip: str, start: int, frames: int) -> Frames:
    """Frames of a sample clip at no more than 640x360."""
    kept = []
    with av.open(str(assets.ensure(clip))) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index >= start + frames:
                break
            if index >= start:
                image = frame.to_ndarray(format="rgb24")
                scale = min(640 / image.shape[1], 360 / image.shape[0], 1)
                kept.append(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    return np.stack(kept).astype(np.uint8)


def bunny() -> Frames:
    return window("bigbuckbunny", 58, 17)


@pytest.fixture(scope="module")
def masker() -> SubjectMasker:
    return SubjectMasker()


@pytest.mark.slow
def test_the_bunny_is_found_whole_and_steady(masker: SubjectMasker) -> None:
    frames = bunny()
    masks = masker.mask(frames)
    assert masks.shape == frames.shape[:3]
    assert masks.dtype == np.float32
    assert 0.11 < masks.mean() < 0.18
    height, width = masks.shape[1:]
    belly, sky, stone = masks[:, height // 2, int(width * 0.35)], masks[:, :60, -100:], masks[:, 230:270, 60:100]
    assert belly.min() > 0.95
    assert sky.max() < 0.05
    assert stone.max() < 0.2, "the stone beside it is as grey, but it is not the subject"
    assert np.abs(np.diff(masks.mean(axis=(1, 2)))).max() < 0.01


@pytest.mark.slow
@pytest.mark.parametrize(("clip", "start"), [("city", 40), ("city", 140), ("bikes", 5), ("bikes", 150), ("bikes", 195)])
def test_no_subject_no_mask(masker: SubjectMasker, clip: str, start: int) -> None:
    assert masker.mask(window(clip, start, 17)).max() == 0


@pytest.mark.slow
def test_masks_do_not_depend_on_threads(masker: SubjectMasker) -> None:
    frames = bunny()[:9]
    alone = masker.mask(frames)
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(masker.mask, [frames, window("city", 40, 9), frames]))
    assert np.array_equal(together[0], alone)
    assert np.array_equal(together[2], alone)


@pytest.mark.slow
def test_facts_tell_the_clips_apart(masker: SubjectMasker) -> None:
    describer = ClipDescriber()
    day = describer.describe(bunny(), masker.mask(bunny()))
    night = describer.describe(window("city", 140, 17), np.zeros((17, 360, 640), np.float32))
    assert day.facts["greenery"] > 0.3 > night.facts["greenery"]
    assert day.facts["warmth"] > 5 > -5 > night.facts["warmth"]
    assert night.facts["lights"] > 0.04 > day.facts["lights"]
    assert day.facts["subject_chroma"] < 12 < day.facts["background_chroma"]
    assert "subject_chroma" not in night.facts
    assert "grey main subject" in day.caption
    assert "subject" not in night.caption


@pytest.mark.slow
def test_what_moves_beside_the_mask_is_told() -> None:
    """An ear that wags and that the mask left out."""
    chance = np.random.default_rng(3)
    meadow = cv2.resize(chance.integers(90, 110, (18, 32, 3), dtype=np.uint8), (320, 180)).astype(np.uint8)
    still = np.repeat(meadow[None], 13, 0)
    masks = np.zeros(still.shape[:3], np.float32)
    masks[:, 60:150, 120:200] = 1
    still[:, 60:150, 120:200] = 30
    wagging = still.copy()
    for index, frame in enumerate(wagging):
        frame[40:56, 125 + 5 * index : 137 + 5 * index] = 220
    strays = [ClipDescriber().describe(frames, masks).facts["subject_stray"] for frames in (still, wagging)]
    assert strays[0] == 0
    assert 0.03 < strays[1] < 0.15


def test_motion_is_in_pixels_a_frame() -> None:
    still = bunny()[0]
    shift = np.stack([np.roll(still, 3 * step, axis=1) for step in range(5)])
    none = np.zeros(shift.shape[:3], np.float32)
    assert ClipDescriber().describe(shift, none).facts["motion"] == pytest.approx(3, abs=0.6)
    assert ClipDescriber().describe(shift[:1], none[:1]).facts["motion"] == 0


@pytest.mark.slow
def test_sample_clips_are_safe() -> None:
    classifier = OpenNsfw()
    scores = {clip: classifier.unsafe_probability(window(clip, 40, 9)) for clip in ("city", "bikes")}
    assert max(scores.values()) < 0.1
    assert classifier.unsafe_probability(bunny()) < 0.6
    with pytest.raises(ValueError, match="no frames"):
        classifier.unsafe_probability(bunny()[:0])


def test_classifier_sees_blue_first_and_less_the_mean() -> None:
    red = np.zeros((300, 500, 3), np.uint8)
    red[..., 0] = 255
    ready = prepared(red)
    assert ready.shape == (224, 224, 3)
    assert ready.mean(axis=(0, 1)) == pytest.approx([0 - 104, 0 - 117, 255 - 123], abs=3)


@pytest.mark.slow
def test_like_instructions_lie_near_each_other() -> None:
    embedder = BgeSmallEmbedder()
    snow, winter, sketch, red, again = embedder.embed(
        [
            "Cover the ground with fresh snow.",
            "Make it winter with snow everywhere.",
            "Redraw the whole scene in graphite pencil.",
            "Make the main subject red.",
            "Cover the ground with fresh snow.",
        ]
    )
    assert np.linalg.norm(snow) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(snow, again), "a text's vector does not depend on its neighbours"
    assert snow @ winter > 0.4
    assert max(snow @ sketch, snow @ red, sketch @ red) < 0.3
    assert embedder.embed([]).shape == (0, embedder.dimensions)


@pytest.mark.slow
def test_centring_spreads_what_raw_vectors_crowd_together() -> None:
    texts = ["Let night fall over the scene.", "Repaint every frame in oil.", "Dye the main subject blue."]
    cosines = {}
    for centred in (False, True):
        vectors = BgeSmallEmbedder(BgeSmallEmbedderConfig(centred=centred)).embed(texts)
        cosines[centred] = float((vectors @ vectors.T)[np.triu_indices(3, 1)].mean())
    assert cosines[True] < 0.3 < 0.5 < cosines[False]
