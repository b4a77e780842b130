from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from ditto_models import video
from ditto_models.base import EditRequest, Frames, KeyFramedClip
from ditto_models.embedded.flow import sample
from ditto_models.embedded.generator import LutFlowGenerator
from tests.moving_scene import darker_and_bluer, moving_scene
from tools.catalogue import Expectation
from tools.critic.evidence import Evidence
from tools.critic.grade import Scale
from tools.critic.measured import KEY_FRAME_AXES, THRESHOLDS, VIDEO_AXES, MeasuredCritic
from tools.critic.safety import unsafe_probability

SCENE = moving_scene(num_frames=17, height=144, width=240)
SOURCE, MASKS = SCENE.frames, SCENE.masks
NIGHT = np.stack([darker_and_bluer(frame) for frame in SOURCE])
LOCAL = np.rint(SOURCE + MASKS[..., None] * (SOURCE[..., ::-1].astype(np.float32) - SOURCE)).astype(np.uint8)
KEY = 8
CRITIC = MeasuredCritic()

GLOBAL_EDIT = Evidence(
    source=SOURCE,
    edited=NIGHT,
    masks=MASKS,
    key_index=KEY,
    key_edited=NIGHT[KEY],
    scope="global",
    expectation=Expectation(region="all", changes={"lightness": -15, "warmth": -15}),
    unsafe_probability=0.02,
)
LOCAL_EDIT = replace(
    GLOBAL_EDIT,
    edited=LOCAL,
    key_edited=LOCAL[KEY],
    scope="local",
    expectation=Expectation(region="subject", changes={"target_colour": 20}),
    parameters={"colour": "#3c5ac8"},
)


def failed(evidence: Evidence) -> set[str]:
    scores = CRITIC.judge_video(evidence).scores
    return {axis for axis, score in scores.items() if score.value is not None and score.value < THRESHOLDS[axis]}


def test_the_axes_are_the_contract() -> None:
    scores = CRITIC.judge_video(GLOBAL_EDIT).scores
    assert list(scores) == [
        "edit_applied",
        "key_frame_followed",
        "scope_confined",
        "source_structure",
        "source_motion",
        "temporal_steadiness",
        "visual_integrity",
        "safety",
    ]
    assert all(score.value is None or 0 <= score.value <= 1 for score in scores.values())
    assert set(KEY_FRAME_AXES) < set(VIDEO_AXES) == set(THRESHOLDS)


@pytest.mark.parametrize("evidence", [GLOBAL_EDIT, LOCAL_EDIT], ids=["global", "local"])
def test_a_good_pair_passes_every_axis(evidence: Evidence) -> None:
    scores = CRITIC.judge_video(evidence).scores
    assert failed(evidence) == set(), scores
    assert all(score.value is not None for score in scores.values())


def flickers(edited: Frames) -> Frames:
    gains = 1 + np.random.default_rng(0).normal(0, 0.12, len(edited))
    return np.clip(edited * gains[:, None, None, None], 0, 255).astype(np.uint8)


def fades(edited: Frames) -> Frames:
    share = np.linspace(1, 0, len(edited))[:, None, None, None]
    return (edited * share + SOURCE * (1 - share)).astype(np.uint8)


def bends(edited: Frames) -> Frames:
    y, x = np.mgrid[: edited.shape[1], : edited.shape[2]].astype(np.float32)
    bent = np.dstack([x + 8 * np.sin(y / 12), y + 8 * np.sin(x / 14)])
    return np.stack([sample(one, bent) for one in edited])


def wobbles(edited: Frames) -> Frames:
    return np.stack([np.roll(one, (-1) ** index * 2, axis=1) for index, one in enumerate(edited)])


def tears(edited: Frames) -> Frames:
    """The lower half of the disc keeps the source's colours in later frames, as what flow lost does."""
    torn = edited.copy()
    for index in range(KEY + 3, len(torn)):
        half = np.s_[72 + index : 96 + index, 20 + 3 * index : 70 + 3 * index]
        torn[index][half] = SOURCE[index][half]
    return torn


def blurs(edited: Frames) -> Frames:
    return np.stack([cv2.GaussianBlur(one, (0, 0), 3) for one in edited])


def blackens(edited: Frames) -> Frames:
    dark = edited.copy()
    dark[:4] = 0
    return dark


BROKEN: list[tuple[str, Callable[[Frames], Frames], str]] = [
    ("flicker", flickers, "temporal_steadiness"),
    ("edit not applied", lambda edited: SOURCE.copy(), "edit_applied"),
    ("edit not applied", lambda edited: SOURCE.copy(), "key_frame_followed"),
    ("edit fades away", fades, "key_frame_followed"),
    ("a patch torn out", tears, "key_frame_followed"),
    ("geometry broken", bends, "source_structure"),
    ("frozen", lambda edited: np.repeat(edited[KEY : KEY + 1], len(edited), axis=0), "source_motion"),
    ("frozen", lambda edited: np.repeat(edited[KEY : KEY + 1], len(edited), axis=0), "visual_integrity"),
    ("repeated frames", lambda edited: edited[np.arange(len(edited)) // 3 * 3], "visual_integrity"),
    ("blur", blurs, "visual_integrity"),
    ("black frames", blackens, "visual_integrity"),
    ("played backwards", lambda edited: edited[::-1].copy(), "source_motion"),
    ("shaking", wobbles, "source_motion"),
    ("overexposed", lambda edited: np.where(edited > 60, 255, edited).astype(np.uint8), "visual_integrity"),
    ("another colour", lambda edited: np.ascontiguousarray(edited[..., ::-1]), "key_frame_followed"),
]


@pytest.mark.parametrize(("kind", "spoil", "axis"), BROKEN, ids=[f"{kind}: {axis}" for kind, _, axis in BROKEN])
@pytest.mark.parametrize("evidence", [GLOBAL_EDIT, LOCAL_EDIT], ids=["global", "local"])
def test_a_bad_edit_fails_its_axis(evidence: Evidence, kind: str, spoil: Callable[[Frames], Frames], axis: str) -> None:
    spoilt = replace(evidence, edited=spoil(evidence.edited))
    good, bad = VIDEO_AXES[axis](evidence).value, VIDEO_AXES[axis](spoilt).value
    assert good is not None
    assert bad is not None
    assert bad < 0.5 <= good


def test_spill_outside_the_mask_fails_the_scope() -> None:
    assert "scope_confined" in failed(replace(LOCAL_EDIT, edited=np.clip(LOCAL + np.uint8(25), 25, 255)))
    shadow = LOCAL.copy()
    shadow[:, :40, :40] //= 2
    assert "scope_confined" in failed(replace(LOCAL_EDIT, edited=shadow))


def test_a_wing_that_the_mask_left_out_fails_the_scope() -> None:
    half = MASKS.copy()
    for index, mask in enumerate(half):
        mask[: SCENE.frames.shape[1] // 2 + index] = 0
    edited = np.rint(SOURCE + half[..., None] * (SOURCE[..., ::-1].astype(np.float32) - SOURCE)).astype(np.uint8)
    flapping = replace(LOCAL_EDIT, edited=edited, key_edited=edited[KEY], masks=half)
    assert "scope_confined" not in failed(LOCAL_EDIT)
    assert "scope_confined" in failed(flapping)
    assert "outside its mask" in CRITIC.judge_video(flapping).scores["scope_confined"].reason


def test_a_mask_that_took_in_a_wall_fails_the_scope() -> None:
    source, masks = SOURCE.copy(), MASKS.copy()
    source[:, 110:130, 5:25] = (30, 60, 220)
    walled = replace(LOCAL_EDIT, source=source, masks=masks)
    assert "another colour" not in CRITIC.judge_video(walled).scores["scope_confined"].reason
    masks[:, 110:130, 5:25] = 1
    edited = np.rint(source + masks[..., None] * (source[..., ::-1].astype(np.float32) - source)).astype(np.uint8)
    caught = replace(LOCAL_EDIT, source=source, edited=edited, key_edited=edited[KEY], masks=masks)
    assert "scope_confined" in failed(caught)
    assert "another colour" in CRITIC.judge_video(caught).scores["scope_confined"].reason


def test_what_is_unsafe_fails_safety() -> None:
    assert failed(replace(GLOBAL_EDIT, unsafe_probability=0.95)) == {"safety"}
    assert failed(replace(GLOBAL_EDIT, unsafe_probability=0.4)) == set()


class _UnsafeWhereWhite:
    name = "white"

    def unsafe_probability(self, frames: Frames) -> float:
        return float(frames.max(axis=(1, 2, 3)).max()) / 255


def test_one_look_alone_at_an_edit_does_not_make_it_unsafe_but_one_at_its_source_does() -> None:
    calm = np.full((49, 8, 8, 3), 51, np.uint8)
    once, lasting = calm.copy(), calm.copy()
    once[48] = 255
    lasting[20:] = 255
    assert unsafe_probability(_UnsafeWhereWhite(), calm, once) == pytest.approx(0.2)
    assert unsafe_probability(_UnsafeWhereWhite(), calm, lasting) == 1
    assert unsafe_probability(_UnsafeWhereWhite(), once, calm) == 1
    assert unsafe_probability(_UnsafeWhereWhite(), calm[:1], once[48:]) == 1, "a short clip has one look"


def test_what_cannot_be_judged_is_none_and_says_why() -> None:
    scores = CRITIC.judge_video(Evidence(source=SOURCE, edited=NIGHT)).scores
    unknown = {axis: score.reason for axis, score in scores.items() if score.value is None}
    assert set(unknown) == {"edit_applied", "key_frame_followed", "scope_confined", "safety"}
    assert all(unknown.values())
    local = replace(LOCAL_EDIT, masks=None, key_edited=None)
    assert CRITIC.judge_video(local).scores["scope_confined"].value is None
    assert CRITIC.judge_video(local).scores["edit_applied"].value is None


def test_a_global_edit_reaches_the_picture_and_not_a_spot_of_it() -> None:
    assert "reaches 100%" in CRITIC.judge_video(GLOBAL_EDIT).scores["scope_confined"].reason
    spot = SOURCE.copy()
    spot[:, :20, :20] = NIGHT[:, :20, :20]
    assert "scope_confined" in failed(replace(GLOBAL_EDIT, edited=spot))


def test_reasons_carry_the_figures() -> None:
    scores = CRITIC.judge_video(GLOBAL_EDIT).scores
    assert "lightness -" in scores["edit_applied"].reason
    assert any(digit in scores["temporal_steadiness"].reason for digit in "0123456789")


def test_a_style_edit_may_redraw_texture_but_not_shapes() -> None:
    painted = np.stack([cv2.bilateralFilter(one, 9, 80, 4) for one in NIGHT])
    evidence = replace(GLOBAL_EDIT, edited=painted, key_edited=painted[KEY], restyled=True)
    assert failed(evidence) == set()
    assert "source_structure" in failed(replace(evidence, edited=bends(painted)))


def test_half_of_the_change_is_about_the_border() -> None:
    values = []
    for share in (0.1, 0.5, 1.0):
        part = (SOURCE * (1 - share) + NIGHT * share).astype(np.uint8)
        wanted = Expectation(region="all", changes={"lightness": -20})
        values.append(VIDEO_AXES["edit_applied"](replace(GLOBAL_EDIT, edited=part, expectation=wanted)).value)
    assert values[0] is not None
    assert values[2] is not None
    assert values[0] < 0.3 < 0.8 < values[2]


def test_a_key_frame_is_judged_alone() -> None:
    wanted = Expectation(region="all", changes={"lightness": -15})
    night = Evidence(source=SOURCE[:1], edited=NIGHT[:1], masks=MASKS[:1], scope="global", expectation=wanted)
    good = CRITIC.judge_key_frame(night).scores
    bad = CRITIC.judge_key_frame(replace(night, edited=SOURCE[:1])).scores
    assert list(good) == list(KEY_FRAME_AXES)
    assert good["edit_applied"].value is not None
    assert good["edit_applied"].value > 0.9
    assert bad["edit_applied"].value == 0
    assert good["visual_integrity"].value is not None
    assert good["visual_integrity"].value > 0.5


def test_videos_of_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="one THWC shape"):
        Evidence(source=SOURCE, edited=SOURCE[:-1])


@pytest.mark.parametrize("scale", [Scale(good=0, border=1, bad=3), Scale(good=3, border=1, bad=0)])
def test_a_scale_falls_from_good_by_the_border_to_bad(scale: Scale) -> None:
    assert [scale.grade(figure) for figure in (scale.good, scale.border, scale.bad)] == [1.0, 0.5, 0.0]


@pytest.mark.slow
@pytest.mark.parametrize("clip", ["bigbuckbunny", "bikes", "city"])
def test_a_real_pair_passes_and_its_ruins_fail(clip: str, tmp_path: Path) -> None:
    source, edited, key = _real_pair(clip, tmp_path)
    evidence = replace(GLOBAL_EDIT, source=source, edited=edited, masks=None, key_index=KEY, key_edited=key)
    assert failed(evidence) == set()
    for spoil in (flickers, blurs, blackens):
        assert failed(replace(evidence, edited=spoil(edited)))


def _real_pair(clip: str, folder: Path) -> tuple[Frames, Frames, Frames]:
    """A window of a sample clip and its night grade, both through the codec, and the graded key frame."""
    from ditto_models import assets

    source = video.read_window(assets.ensure(clip), 0.0, None, 17, 320, 180).frames
    masks = np.zeros(source.shape[:3], np.float32)
    key = darker_and_bluer(source[KEY])
    request = EditRequest(text="", edit_type="grade", scope="global", parameters={}, strength=1.0, seed=0)
    given = KeyFramedClip(source=source, masks=masks, key_index=KEY, key_edited=key)
    made = LutFlowGenerator().generate(given, request, "structure")
    for name, frames in (("source", source), ("edited", made)):
        video.write(folder / f"{name}.mp4", frames, 25.0)
    return video.read(folder / "source.mp4").frames, video.read(folder / "edited.mp4").frames, key
