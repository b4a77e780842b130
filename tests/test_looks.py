import itertools
from collections.abc import Mapping

import cv2
import numpy as np
import pytest

from ditto_models.base import EditRequest, Frame, Mask, UnsupportedEdit
from ditto_models.embedded.key_frame_editor import KeyFrameEditor
from ditto_models.metrics.appearance import changes
from tools.catalogue import Catalogue

HEIGHT, WIDTH = 180, 320
CATALOGUE = Catalogue.load()
Scene = tuple[Frame, Mask]
Setting = tuple[str, Mapping[str, str | float]]


def settings(scope: str = "") -> list[Setting]:
    """Every look with each of its variants; of values such as colours the first will do."""
    found: list[Setting] = []
    for look, entry in CATALOGUE.looks.items():
        values = {name: next(iter(values)) for name, values in entry.parameters.items()}
        if scope in ("", entry.scope):
            found += [(look, {**variant.parameters, **values}) for variant in entry.variants.values()]
    return found


def named(setting: object) -> str:
    assert isinstance(setting, tuple)
    return "-".join([setting[0], *map(str, setting[1].values())])


EACH = pytest.mark.parametrize("setting", settings(), ids=named)
EACH_LOCAL = pytest.mark.parametrize("setting", settings("local"), ids=named)


@pytest.fixture(scope="module")
def day() -> Scene:
    """A grey figure on textured grass under a blue sky, and its mask."""
    chance = np.random.default_rng(0)
    frame = np.empty((HEIGHT, WIDTH, 3), np.float32)
    frame[:70] = (150, 180, 225)
    frame[70:] = (112, 140, 48)
    texture = cv2.GaussianBlur(chance.standard_normal((HEIGHT, WIDTH)).astype(np.float32), (0, 0), 1.2)
    frame[70:] += 130 * texture[70:, :, None]
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    cv2.ellipse(mask, (160, 105), (42, 62), 0, 0, 360, 1.0, -1)
    shading = np.linspace(150, 70, HEIGHT, dtype=np.float32)[:, None, None] + 30 * texture[..., None]
    soft = np.asarray(cv2.GaussianBlur(mask, (0, 0), 1.2), np.float32)
    frame += (shading - frame) * soft[..., None]
    return np.clip(frame, 0, 255).astype(np.uint8), soft


def edited(
    scene: Scene, look: str, parameters: Mapping[str, str | float], strength: float = 0.75, seed: int = 1
) -> Frame:
    request = EditRequest(
        text="", edit_type="", scope="global", look=look, parameters=parameters, strength=strength, seed=seed
    )
    return KeyFrameEditor().edit(*scene, request)


@EACH
def test_a_look_changes_what_its_instruction_says(day: Scene, setting: Setting) -> None:
    """The least share of an expected change that was made, on grass, sky and a grey figure."""
    look, parameters = setting
    frame, mask = day
    expect = CATALOGUE.looks[look].expectation(parameters)
    weights = {"all": np.ones_like(mask), "subject": mask, "background": 1 - mask}[expect.region]
    colour = parameters.get("colour")
    found = changes(frame, edited(day, look, parameters, 0.9), weights, str(colour) if colour else None)
    assert found is not None
    assert min(found[measure] / wanted for measure, wanted in expect.changes.items()) > 0.8, found


@EACH
def test_same_size_and_the_same_every_time(day: Scene, setting: Setting) -> None:
    first, again = (edited(day, *setting) for _ in range(2))
    assert first.shape == day[0].shape
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)


@EACH
def test_strength_scales_the_change(day: Scene, setting: Setting) -> None:
    frame = day[0].astype(np.float32)
    moved = [float(np.abs(edited(day, *setting, strength) - frame).mean()) for strength in (0.0, 0.25, 0.5, 0.75)]
    assert moved[0] < 0.6, "strength 0 leaves the frame"
    assert all(later > earlier * 1.1 + 0.2 for earlier, later in itertools.pairwise(moved)), moved


@pytest.mark.parametrize("look", [look for look, entry in CATALOGUE.looks.items() if len(entry.variants) > 1])
def test_variants_of_a_look_differ_visibly(day: Scene, look: str) -> None:
    pictures = [edited(day, *setting).astype(np.float32) for setting in settings() if setting[0] == look]
    apart = [float(np.abs(one - other).mean()) for one, other in itertools.combinations(pictures, 2)]
    assert min(apart) > 2.5, apart


@EACH_LOCAL
def test_local_looks_leave_the_rest_alone(day: Scene, setting: Setting) -> None:
    frame, mask = day
    region = CATALOGUE.looks[setting[0]].expectation(setting[1]).region
    touched = mask > 0.01 if region == "subject" else mask < 0.99
    after = edited(day, *setting, 0.9).astype(int)
    assert np.abs(after - frame)[~touched].max() <= 2


@EACH_LOCAL
def test_local_looks_leave_no_halo(day: Scene, setting: Setting) -> None:
    """Along the edge every pixel stays between the edited colours of the two sides: nothing brighter than both."""
    _, mask = day
    after = cv2.cvtColor(edited(day, *setting, 0.9), cv2.COLOR_RGB2GRAY)
    rim = (mask > 0.1) & (mask < 0.9)
    around = (mask > 0) & (mask < 1) | (cv2.dilate(mask, np.ones((9, 9))) > 0)
    assert after[rim].mean() < np.percentile(after[around & ~rim], 95)


def test_an_edit_around_the_subject_spares_what_its_mask_missed(day: Scene) -> None:
    """An ear outside the mask, close to it, keeps its look; the far corners do not."""
    frame, mask = day
    ear = (cv2.dilate(mask, np.ones((7, 7))) > 0.5) & (mask < 0.01)
    for look, parameters in settings("local"):
        if look.endswith("_around"):
            change = np.abs(edited(day, look, parameters, 0.9).astype(int) - frame).mean(axis=2)
            assert change[ear].mean() < 3, look
            assert change[100:, :40].mean() > 3 * change[ear].mean() + 3, look


def test_seeds_differ_a_little(day: Scene) -> None:
    one, two, weak = (edited(day, "night", {"moon": 1}, *how).mean() for how in ((0.75, 1), (0.75, 2), (0.4, 1)))
    assert 0 < abs(one - two) < abs(one - weak) / 2


def test_snow_covers_grass_and_spares_the_subject(day: Scene) -> None:
    frame, mask = day
    snow = edited(day, "winter_snow", {"cover": 1}, 0.9).astype(np.float32)
    grass = np.zeros_like(mask, bool)
    grass[80:] = mask[80:] < 0.01
    assert snow[grass].mean() > frame[grass].mean() + 50
    assert np.ptp(snow[grass].mean(axis=0)) < 25, "white, not green"
    assert np.abs(snow - frame)[mask > 0.99].mean() < 12


@pytest.mark.parametrize("colour", ["red", "#12345", ""])
def test_a_colour_that_is_none_is_refused(day: Scene, colour: str) -> None:
    with pytest.raises(ValueError, match="expected '#rrggbb'"):
        edited(day, "recolour_subject", {"colour": colour})


def test_an_unknown_look_and_a_strength_out_of_range_are_refused(day: Scene) -> None:
    with pytest.raises(UnsupportedEdit, match="look 'unicorn'"):
        edited(day, "unicorn", {})
    with pytest.raises(ValueError, match="strength 2"):
        edited(day, "night", {"moon": 1}, strength=2)


def test_a_parameter_that_is_missing_or_unknown_is_refused(day: Scene) -> None:
    with pytest.raises(ValueError, match="'cover' is None"):
        edited(day, "winter_snow", {})
    with pytest.raises(ValueError, match="grade 'plaid'"):
        edited(day, "grade_around", {"grade": "plaid"})
