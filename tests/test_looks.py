import itertools
from collections.abc import Mapping

import cv2
import numpy as np
import pytest

from ditto_models.base import EditRequest, Frame, Mask, UnsupportedEdit
from ditto_models.embedded.key_frame_editor import KeyFrameEditor
from ditto_models.embedded.looks.registry import LOOKS
from ditto_models.metrics.appearance import changes
from tools.catalogue import Catalogue, Entry

HEIGHT, WIDTH = 180, 320
CATALOGUE = Catalogue.load()
LOCAL = [look for look, entry in CATALOGUE.looks.items() if entry.scope == "local"]
Scene = tuple[Frame, Mask]


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
    scene: Scene, look: str, strength: float = 0.75, seed: int = 1, parameters: Mapping[str, str] | None = None
) -> Frame:
    chosen = parameters_of(CATALOGUE.looks[look]) if parameters is None and look in LOOKS else parameters or {}
    request = EditRequest(
        text="", edit_type="", scope="global", look=look, parameters=chosen, strength=strength, seed=seed
    )
    return KeyFrameEditor().edit(*scene, request)


def parameters_of(entry: Entry) -> dict[str, str]:
    return {name: next(iter(values)) for name, values in entry.parameters.items()}


def credit(scene: Scene, look: str, strength: float) -> float:
    """The least share of an expected change that was made."""
    entry = CATALOGUE.looks[look]
    frame, mask = scene
    weights = {"all": np.ones_like(mask), "subject": mask, "background": 1 - mask}[entry.expect.region]
    parameters = parameters_of(entry)
    found = changes(frame, edited(scene, look, strength), weights, parameters.get("colour"))
    assert found is not None
    return min(found[measure] / expected for measure, expected in entry.expect.changes.items())


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_changes_what_its_instruction_says(day: Scene, look: str) -> None:
    assert credit(day, look, 0.9) > 0.8


@pytest.mark.parametrize("look", LOOKS)
def test_same_size_and_the_same_every_time(day: Scene, look: str) -> None:
    first, again = (edited(day, look) for _ in range(2))
    assert first.shape == day[0].shape
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)


@pytest.mark.parametrize("look", LOOKS)
def test_strength_scales_the_change(day: Scene, look: str) -> None:
    frame = day[0].astype(np.float32)
    moved = [float(np.abs(edited(day, look, strength) - frame).mean()) for strength in (0.0, 0.25, 0.5, 0.75)]
    assert moved[0] < 0.6, "strength 0 leaves the frame"
    assert all(later > earlier * 1.1 + 0.2 for earlier, later in itertools.pairwise(moved)), moved


@pytest.mark.parametrize("look", LOCAL)
def test_local_looks_leave_the_rest_alone(day: Scene, look: str) -> None:
    frame, mask = day
    entry = CATALOGUE.looks[look]
    touched = mask > 0.01 if entry.expect.region == "subject" else mask < 0.99
    after = edited(day, look, 0.9).astype(int)
    assert np.abs(after - frame)[~touched].max() <= 2


@pytest.mark.parametrize("look", LOCAL)
def test_local_looks_leave_no_halo(day: Scene, look: str) -> None:
    """Along the edge every pixel stays between the edited colours of the two sides: nothing brighter than both."""
    _, mask = day
    after = cv2.cvtColor(edited(day, look, 0.9), cv2.COLOR_RGB2GRAY)
    rim = (mask > 0.1) & (mask < 0.9)
    around = (mask > 0) & (mask < 1) | (cv2.dilate(mask, np.ones((9, 9))) > 0)
    assert after[rim].mean() < np.percentile(after[around & ~rim], 95)


def test_seeds_differ_a_little(day: Scene) -> None:
    one, two, weak = (edited(day, "night", *how).mean() for how in ((0.75, 1), (0.75, 2), (0.4, 1)))
    assert 0 < abs(one - two) < abs(one - weak) / 2


def test_snow_covers_grass_and_spares_the_subject(day: Scene) -> None:
    frame, mask = day
    snow = edited(day, "winter_snow", 0.9).astype(np.float32)
    grass = np.zeros_like(mask, bool)
    grass[80:] = mask[80:] < 0.01
    assert snow[grass].mean() > frame[grass].mean() + 50
    assert np.ptp(snow[grass].mean(axis=0)) < 25, "white, not green"
    assert np.abs(snow - frame)[mask > 0.99].mean() < 12


@pytest.mark.parametrize("colour", ["red", "#12345", ""])
def test_a_colour_that_is_none_is_refused(day: Scene, colour: str) -> None:
    with pytest.raises(ValueError, match="expected '#rrggbb'"):
        edited(day, "recolour_subject", parameters={"colour": colour})


def test_an_unknown_look_and_a_strength_out_of_range_are_refused(day: Scene) -> None:
    with pytest.raises(UnsupportedEdit, match="look 'unicorn'"):
        edited(day, "unicorn")
    with pytest.raises(ValueError, match="strength 2"):
        edited(day, "night", strength=2)
