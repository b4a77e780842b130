import cv2
import numpy as np
import pytest

from ditto_models.base import Frames
from ditto_models.embedded.flow import measure_flow
from ditto_models.metrics.appearance import MEASURES, changes
from ditto_models.metrics.colour_follow import colour_follow
from ditto_models.metrics.colour_patches import colour_patches
from ditto_models.metrics.detail_follow import detail_miss, patchiness
from ditto_models.metrics.flow_warp import steadiness
from ditto_models.metrics.integrity import integrity
from ditto_models.metrics.mask_catch import mask_catch
from ditto_models.metrics.mask_stray import mask_stray
from ditto_models.metrics.motion import motion_agreement
from ditto_models.metrics.scope import scope_change
from ditto_models.metrics.sharpness import sharpness
from ditto_models.metrics.structure import structure_agreement
from tests.moving_scene import darker_and_bluer, moving_scene

SCENE = moving_scene()
SOURCE = SCENE.frames
EDITED = np.stack([darker_and_bluer(frame) for frame in SOURCE])
FLOW = measure_flow(SOURCE)
WHOLE = np.ones(SOURCE.shape[1:3], np.float32)


def blurred(frames: Frames, sigma: float = 2.5) -> Frames:
    return np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in frames])


def tinted(by: tuple[int, int, int]) -> Frames:
    return np.clip(SOURCE[:1].astype(int) + by, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("measure", "edited"),
    [
        ("lightness", tinted((25, 25, 25))),
        ("warmth", tinted((0, 0, -40))),
        ("redness", tinted((40, -20, 0))),
        ("colourfulness", tinted((40, 0, -40))),
        ("whiteness", np.full_like(SOURCE[:1], 240)),
        ("target_colour", tinted((-30, -20, 80))),
    ],
)
def test_a_look_moves_its_measure_up_and_undoing_it_down(measure: str, edited: Frames) -> None:
    there = changes(SOURCE[0], edited[0], WHOLE, "#2040e0")
    back = changes(edited[0], SOURCE[0], WHOLE, "#2040e0")
    assert there is not None
    assert back is not None
    assert set(there) == set(MEASURES)
    assert there[measure] > 0 > back[measure]
    assert there[measure] == pytest.approx(-back[measure])


def test_blur_lowers_fine_detail_and_nothing_leaves_it() -> None:
    half, none = changes(SOURCE[0], blurred(SOURCE)[0], WHOLE), changes(SOURCE[0], SOURCE[0], WHOLE)
    assert half is not None
    assert none is not None
    assert -1 < half["fine_detail"] < -0.3
    assert all(value == 0 for value in none.values())


def test_looks_are_measured_where_the_weights_are() -> None:
    edited = SOURCE[0].copy()
    edited[:, :80] = 255
    left, right = np.zeros_like(WHOLE), np.zeros_like(WHOLE)
    left[:, :80], right[:, 80:] = 1, 1
    inside, outside = changes(SOURCE[0], edited, left), changes(SOURCE[0], edited, right)
    assert inside is not None
    assert outside is not None
    assert inside["lightness"] > 30
    assert outside["lightness"] == 0
    assert changes(SOURCE[0], edited, np.zeros_like(WHOLE)) is None


def test_a_colour_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="#rrggbb"):
        changes(SOURCE[0], SOURCE[0], WHOLE, "blue")


def test_flicker_raises_flow_warp_error() -> None:
    gains = np.where(np.arange(len(EDITED)) % 2, 1.12, 0.9)[:, None, None, None]
    shaky = np.clip(EDITED * gains, 0, 255).astype(np.uint8)
    calm, worse = steadiness(SOURCE, EDITED, FLOW), steadiness(SOURCE, shaky, FLOW)
    assert calm.ratio < 1.5 < worse.ratio
    assert calm.pumping_levels < 1 < worse.pumping_levels
    assert calm.worst_excess < worse.worst_excess


def test_flicker_in_one_corner_shows_in_the_worst_blocks() -> None:
    shaky = EDITED.copy()
    shaky[::2, :24, :24] //= 2
    assert steadiness(SOURCE, shaky, FLOW).worst_excess > 5 * steadiness(SOURCE, EDITED, FLOW).worst_excess + 1e-3


def test_a_slow_fade_does_not_pump() -> None:
    share = np.linspace(0, 1, len(SOURCE))[:, None, None, None]
    faded = (SOURCE * (1 - share) + EDITED * share).astype(np.uint8)
    assert steadiness(SOURCE, faded, FLOW).pumping_levels < 1


def test_shapes_agree_through_recolouring_and_not_through_bending() -> None:
    recoloured = structure_agreement(SOURCE[0], 255 - EDITED[0])
    mirrored = structure_agreement(SOURCE[0], np.ascontiguousarray(EDITED[0][:, ::-1]))
    broken = EDITED[0].copy()
    broken[20:70, 20:70] = np.random.default_rng(0).integers(0, 255, (50, 50, 3))
    patched = structure_agreement(SOURCE[0], broken)
    assert recoloured.whole is not None
    assert mirrored.whole is not None
    assert recoloured.worst_blocks is not None
    assert patched.worst_blocks is not None
    assert recoloured.whole > 0.95
    assert mirrored.whole < 0.4
    assert patched.worst_blocks < 0.5 * recoloured.worst_blocks


def test_a_plain_frame_has_no_structure() -> None:
    plain = np.full_like(SOURCE[0], 90)
    assert structure_agreement(plain, SOURCE[0]).whole is None


def test_motion_agrees_with_itself_and_not_with_stillness() -> None:
    same, frozen = motion_agreement(EDITED, FLOW), motion_agreement(np.repeat(EDITED[:1], len(EDITED), 0), FLOW)
    reversed_in_time = motion_agreement(EDITED[::-1].copy(), FLOW)
    assert same.moving_error is not None
    assert frozen.moving_error is not None
    assert reversed_in_time.moving_error is not None
    assert same.moving_error < 0.2
    assert frozen.moving_error > 0.9
    assert reversed_in_time.moving_error > 0.9


def test_a_still_source_has_no_motion_to_follow() -> None:
    still = np.repeat(SOURCE[:1], 6, 0)
    shaken = np.stack([np.roll(still[0], 4 * (index % 2), axis=1) for index in range(6)])
    flow = measure_flow(still)
    assert motion_agreement(still, flow).moving_error is None
    assert motion_agreement(shaken, flow).still_error_pixels > motion_agreement(still, flow).still_error_pixels + 0.5


def test_blur_lowers_sharpness_and_darkness_does_not() -> None:
    assert sharpness(SOURCE, EDITED).ratio == pytest.approx(1, abs=0.1)
    assert sharpness(SOURCE, blurred(EDITED, 1.0)).ratio < 0.9
    assert sharpness(SOURCE, blurred(EDITED)).ratio < sharpness(SOURCE, blurred(EDITED, 1.0)).ratio
    one_soft = EDITED.copy()
    one_soft[4] = blurred(EDITED)[4]
    assert sharpness(SOURCE, one_soft).least_ratio < 0.7


def test_each_fault_is_found_and_a_sound_edit_has_none() -> None:
    sound = integrity(SOURCE, EDITED)
    black, repeated = EDITED.copy(), EDITED.copy()
    black[2:5] = 0
    repeated[5:9] = EDITED[5]
    clipped = np.where(EDITED > 100, 255, 0).astype(np.uint8)
    assert (sound.black, sound.repeated) == (0, 0)
    assert integrity(SOURCE, black).black == pytest.approx(3 / len(EDITED))
    assert integrity(SOURCE, repeated).repeated == pytest.approx(3 / (len(EDITED) - 1))
    assert integrity(SOURCE, clipped).clipped > sound.clipped + 0.5
    assert integrity(SOURCE, (EDITED // 40 * 40).astype(np.uint8)).banded > sound.banded + 0.3


def test_faults_of_the_source_are_not_the_edits() -> None:
    still = np.repeat(SOURCE[:1], 6, 0)
    assert integrity(still, still).repeated == 0
    assert integrity(np.zeros_like(still), np.zeros_like(still)).black == 0


def test_spill_shows_outside_the_region() -> None:
    confined = np.where(SCENE.masks[..., None] > 0.02, EDITED, SOURCE)
    inside, spilt = scope_change(SOURCE, confined, SCENE.masks), scope_change(SOURCE, EDITED, SCENE.masks)
    assert inside is not None
    assert spilt is not None
    assert inside.outside_levels < 0.1 < 20 < spilt.outside_levels
    assert inside.inside_levels > 20
    assert spilt.outside_share > 0.9
    assert scope_change(SOURCE, EDITED, np.zeros_like(SCENE.masks)) is None


def test_colours_that_leave_the_key_frames_are_seen() -> None:
    key, masks = 6, SCENE.masks
    pair = SOURCE[key], EDITED[key], masks[key]
    same, gone = colour_follow(SOURCE, EDITED, masks, *pair), colour_follow(SOURCE, SOURCE, masks, *pair)
    late = EDITED.copy()
    late[-3:] = SOURCE[-3:]
    assert same.mean_miss < 0.1 * same.key_shift
    assert gone.mean_miss == pytest.approx(gone.key_shift, rel=0.2)
    assert colour_follow(SOURCE, late, masks, *pair).worst_miss > 0.7 * same.key_shift


def test_brush_work_that_fades_is_seen() -> None:
    rough = EDITED.copy()
    rough[:, ::2, ::2] = 255 - rough[:, ::2, ::2]
    fading = EDITED.copy()
    fading[6] = rough[6]
    assert detail_miss(SOURCE, rough, SOURCE[6], rough[6]) < 1.1
    assert detail_miss(SOURCE, fading, SOURCE[6], rough[6]) > 2


def test_a_part_without_brush_work_is_seen() -> None:
    flat = np.stack([cv2.medianBlur(frame, 9) for frame in EDITED])
    patchy = flat.copy()
    patchy[:6, :, : SOURCE.shape[2] // 2] = EDITED[:6, :, : SOURCE.shape[2] // 2]
    even, lacking = (patchiness(SOURCE, edited, SOURCE[6], flat[6]) for edited in (flat, patchy))
    assert even < 0.15
    assert lacking > 2 * even
    assert lacking > 0.3


def test_strokes_missing_from_a_few_late_frames_are_not_averaged_away() -> None:
    flat = np.stack([np.asarray(cv2.medianBlur(frame, 9), np.uint8) for frame in EDITED])
    late = flat.copy()
    late[11:, :, : SOURCE.shape[2] // 2] = EDITED[11:, :, : SOURCE.shape[2] // 2]
    even, lacking = (patchiness(SOURCE, edited, SOURCE[6], edited[6]) for edited in (flat, late))
    assert even < 0.15
    assert lacking > 0.42


def test_a_small_patch_that_kept_its_colour_counts_in_full() -> None:
    torn = EDITED.copy()
    torn[9:, 40:60, 90:110] = SOURCE[9:, 40:60, 90:110]
    whole, patched, half = (
        colour_patches(SOURCE, edited, SCENE.masks, SOURCE[6], EDITED[6], SCENE.masks[6])
        for edited in (EDITED, torn, (torn.astype(float) * 0.5 + EDITED * 0.5).astype(np.uint8))
    )
    assert whole < 1
    assert patched > 10
    assert whole < half < patched


def test_colours_that_the_key_frame_does_not_have_are_nobodys_fault() -> None:
    source = SOURCE.copy()
    source[10:, 20:50, 20:60] = (250, 10, 240)
    edited = np.stack([darker_and_bluer(frame) for frame in source])
    edited[10:, 20:50, 20:60] = (10, 250, 10)
    assert colour_patches(source, edited, None, source[6], edited[6], None) < 1


def test_a_mask_that_holds_what_moves_has_nothing_stray() -> None:
    without_half = SCENE.masks.copy()
    for index, mask in enumerate(without_half):
        mask[: SOURCE.shape[1] // 2 + index] = 0
    assert mask_stray(SOURCE, SCENE.masks) < 0.05
    assert mask_stray(SOURCE, without_half) > 0.2
    assert mask_stray(SOURCE, np.zeros_like(SCENE.masks)) == 0
    assert mask_stray(SOURCE[:1], SCENE.masks[:1]) == 0


def test_a_mask_that_took_in_what_stands_beside_the_subject_is_told() -> None:
    source, wide = SOURCE.copy(), SCENE.masks.copy()
    source[:, 70:88, 5:25] = (30, 60, 220)
    wide[:, 70:88, 5:25] = 1
    assert mask_catch(source, SCENE.masks) < 0.01
    assert mask_catch(source, wide) > 0.1
    resting = np.repeat(source[:1], len(source), axis=0)
    assert mask_catch(resting, wide) == 0, "of a subject that rests nothing can be told"


def test_a_grade_that_bends_within_a_colour_is_no_tear() -> None:
    grain = np.random.default_rng(5).integers(2, 41, (96, 160, 1), dtype=np.uint8)
    source = np.repeat(np.repeat(grain, 3, axis=2)[None], 13, axis=0)
    source[8:, :, 80:] = 8
    steep = np.clip((source.astype(float) / 40) ** 2 * 160, 0, 255).astype(np.uint8)
    assert colour_patches(source, steep, None, source[6], steep[6], None) < 3
