"""What every key-frame editor of ditto_models/gpu owes, on tiny random weights; and the geometry they share."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ditto_models.base import EditRequest, Frame, Mask
from ditto_models.executors.of_call import CallCancelled, call_scope
from ditto_models.gpu.canvas import Canvas, area_canvas, sides_of_area, snug_canvas
from ditto_models.gpu.flux2_klein import Flux2KleinConfig, Flux2KleinEditor
from ditto_models.gpu.instruct_editor import InstructEditor, InstructEditorConfig, guidance_at, kept_outside
from ditto_models.gpu.lora import LoraConfig
from ditto_models.gpu.placement import PlacementConfig
from ditto_models.gpu.qwen_image21 import QwenImage21Config, QwenImage21Editor
from ditto_models.gpu.qwen_image_edit import QwenImageEditConfig, QwenImageEditor
from ditto_models.gpu.weights import WeightsConfig, WeightsError
from ditto_models.torchvision_cpu import declare_operators
from tests.tiny_editors import flux2_klein, tiny_editor

HEIGHT, WIDTH = 90, 126
FLOAT32 = PlacementConfig(device="cpu", dtype="float32")
REQUEST = EditRequest(text="make it snow", edit_type="weather", scope="global", parameters={}, strength=0.8, seed=1)
Editor = InstructEditor[Any]


def scene(height: int = HEIGHT, width: int = WIDTH) -> Frame:
    """Two slopes and a chequerboard: any shift or stretch shows."""
    y, x = np.mgrid[0:height, 0:width]
    board = ((y // 8 + x // 8) % 2) * 255
    return np.stack([y * 255 // height, x * 255 // width, board], axis=-1).astype(np.uint8)


def empty_mask(frame: Frame) -> Mask:
    return np.zeros(frame.shape[:2], np.float32)


def edited(editor: Editor, frame: Frame, **changed: Any) -> Frame:
    return editor.edit(frame, empty_mask(frame), replace(REQUEST, **changed))


@dataclass(frozen=True)
class Made:
    """An editor on tiny weights, what it made of the scene, and how to make another like it."""

    kind: str
    editor: Editor
    first: Frame
    another: Callable[[Path], Editor]


MAKERS: dict[str, Callable[[WeightsConfig], Editor]] = {
    "flux2_klein": lambda weights: Flux2KleinEditor(Flux2KleinConfig(weights=weights, placement=FLOAT32, steps=2)),
    "qwen_image21": lambda weights: QwenImage21Editor(
        QwenImage21Config(weights=weights, placement=FLOAT32, steps=2, resolution=128)
    ),
    "qwen_image_edit": lambda weights: QwenImageEditor(
        QwenImageEditConfig(weights=weights, placement=FLOAT32, steps=2)
    ),
}


@pytest.fixture(scope="module", params=MAKERS)
def made(quick_torch: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    declare_operators()
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus as plus

    def another(folder: Path) -> Editor:
        return MAKERS[request.param](WeightsConfig(repo=str(folder)))

    with pytest.MonkeyPatch.context() as patch:
        # Of the megapixel that diffusers works on, which takes 10 s on a CPU, this area is left.
        patch.setattr(plus, "VAE_IMAGE_SIZE", 96 * 128)
        editor = another(tiny_editor(request.param, tmp_path_factory.mktemp("editor") / request.param))
        yield Made(request.param, editor, edited(editor, scene()), another)


@pytest.mark.slow
def test_the_frame_keeps_its_shape(made: Made) -> None:
    for height, width in ((HEIGHT, WIDTH), (64, 64), (101, 67), (64, 200)):
        result = edited(made.editor, scene(height, width))
        assert result.shape == (height, width, 3)
        assert result.dtype == np.uint8


@pytest.mark.slow
def test_the_same_request_gives_the_same_picture_and_any_change_another(made: Made) -> None:
    np.testing.assert_array_equal(edited(made.editor, scene()), made.first)
    assert made.first.std() > 1
    for what, other in {
        "seed": edited(made.editor, scene(), seed=2),
        "text": edited(made.editor, scene(), text="a red brick house at night"),
        "frame": edited(made.editor, scene()[:, ::-1].copy()),
    }.items():
        assert not np.array_equal(other, made.first), what


@pytest.mark.slow
def test_it_runs_in_the_precision_that_it_has_by_default(made: Made) -> None:
    half = type(made.editor)(made.editor.config.model_copy(update={"placement": PlacementConfig(device="cpu")}))
    assert np.abs(edited(half, scene()).astype(int) - made.first).mean() < made.first.std()


@pytest.mark.slow
def test_strength_counts_where_there_is_guidance_and_nowhere_else(made: Made) -> None:
    guided = isinstance(made.editor, QwenImageEditor)
    assert np.array_equal(edited(made.editor, scene(), strength=0.4), made.first) != guided


@pytest.mark.slow
def test_what_cannot_be_edited_is_refused_in_one_line(made: Made) -> None:
    refused: list[tuple[Frame, dict[str, Any], str]] = [
        (scene(40, 90), {}, "90x40 cannot be edited"),
        (scene(64, 300), {}, "300x64 cannot be edited"),
        (scene().astype(np.float32), {}, "float32"),
        (scene()[:, :, 0], {}, "expected uint8 of height, width, 3"),
        (scene(), {"text": " "}, "no text"),
        (scene(), {"strength": 1.5}, "strength 1.5"),
    ]
    for frame, changed, said in refused:
        with pytest.raises(ValueError, match=said) as error:
            edited(made.editor, frame, **changed)
        assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="mask of"):
        made.editor.edit(scene(), empty_mask(scene(64, 64)), REQUEST)


@pytest.mark.slow
def test_weights_of_another_model_are_refused_in_one_line(made: Made, tmp_path: Path) -> None:
    other = "flux2_klein" if made.kind == "qwen_image21" else "qwen_image21"
    editor = made.another(tiny_editor(other, tmp_path / other))
    with pytest.raises(WeightsError, match=f"Pipeline; expected the weights of a {made.editor.pipeline}") as error:
        edited(editor, scene())
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_it_travels_as_its_settings_and_stays_warm(made: Made) -> None:
    there, back = (pickle.loads(pickle.dumps(made.editor)) for _ in range(2))
    assert there is back
    assert there.config == made.editor.config
    assert "/" not in there.name


@pytest.mark.slow
def test_it_stops_between_two_steps(made: Made) -> None:
    asked = []

    def cancelled() -> bool:
        asked.append(True)
        return len(asked) > 2  # before the call, and after its first step

    with call_scope(cancelled), pytest.raises(CallCancelled):
        edited(made.editor, scene())
    np.testing.assert_array_equal(edited(made.editor, scene()), made.first)


@pytest.mark.slow
def test_klein_has_guidance_only_where_it_is_not_distilled(tmp_path: Path) -> None:
    def guided(folder: Path) -> Editor:
        return Flux2KleinEditor(
            Flux2KleinConfig(weights=WeightsConfig(repo=str(folder)), placement=FLOAT32, steps=1, guidance=4)
        )

    with pytest.raises(WeightsError, match="is distilled and has no guidance, got 4"):
        edited(guided(tiny_editor("flux2_klein", tmp_path / "distilled")), scene())
    flux2_klein(tmp_path / "base", distilled=False)
    base = guided(tmp_path / "base")
    assert not np.array_equal(edited(base, scene(), strength=1.0), edited(base, scene(), strength=0.0))


@pytest.mark.slow
def test_a_lora_changes_the_picture(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    folder = tiny_editor("flux2_klein", tmp_path / "klein")
    name = "transformer.transformer_blocks.0.attn.to_q"
    down, up = torch.ones(2, 32), torch.ones(32, 2)
    save_file({f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}, tmp_path / "lora.safetensors")
    config = Flux2KleinConfig(weights=WeightsConfig(repo=str(folder)), placement=FLOAT32, steps=2)
    lora = LoraConfig(repo=str(tmp_path), file="lora.safetensors")
    with_lora = Flux2KleinEditor(config.model_copy(update={"loras": (lora,)}))
    assert not np.array_equal(edited(with_lora, scene()), edited(Flux2KleinEditor(config), scene()))


@pytest.mark.slow
def test_a_checkpoints_own_schedule_is_followed_unless_steps_are_given(tmp_path: Path) -> None:
    import json

    folder = tiny_editor("qwen_image21", tmp_path / "own")
    index = folder / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"sample_sigmas": [1.0, 0.5, 0.25]}))

    def steps_taken(steps: int | None) -> int:
        config = QwenImage21Config(
            weights=WeightsConfig(repo=str(folder)), placement=FLOAT32, steps=steps, resolution=64
        )
        asked: list[bool] = []
        with call_scope(lambda: bool(asked.append(True))):  # type: ignore[func-returns-value]
            edited(QwenImage21Editor(config), scene())
        return len(asked) - 1

    assert steps_taken(None) == 3
    assert steps_taken(2) == 2


class Mirror(InstructEditor[InstructEditorConfig]):
    """Gives back the picture that it gets: what is left is the geometry."""

    pipeline = "none"

    def __init__(self, canvas_of: Callable[[int, int], Canvas], keep_outside_mask: bool = False) -> None:
        super().__init__(InstructEditorConfig(weights=WeightsConfig(repo="none"), keep_outside_mask=keep_outside_mask))
        self.canvas_of = canvas_of

    def load(self) -> object:
        return object()

    def canvas(self, frame_width: int, frame_height: int) -> Canvas:
        return self.canvas_of(frame_width, frame_height)

    def redraw(self, pipeline: Any, picture: Image.Image, request: EditRequest, noise: Any) -> Frame:
        return np.asarray(picture)


@pytest.mark.parametrize(("height", "width"), [(90, 126), (480, 832), (333, 517), (1080, 1920)])
def test_the_edited_frame_lies_exactly_on_the_source(height: int, width: int) -> None:
    y, x = np.mgrid[0:height, 0:width]
    waves = np.stack([127 + 100 * np.sin(2 * np.pi * axis / 24) for axis in (y, x, x + y)], axis=-1).astype(np.uint8)
    area = edited(Mirror(lambda wide, high: area_canvas(wide, high, 1024 * 1024)), waves)
    snug = edited(Mirror(lambda wide, high: snug_canvas(wide, high, 16, 1024 * 1024)), waves)
    for result in (area, snug):
        # A quarter of a pixel off would be 4 levels, and a stretch would show most at the far corner.
        assert np.abs(result[-64:, -64:].astype(int) - waves[-64:, -64:]).mean() < 1
    if width * height < 900 * 900:
        np.testing.assert_array_equal(snug, waves)


def test_only_the_masked_part_of_a_local_edit_changes_where_that_is_asked_for() -> None:
    source, drawn = np.full((90, 120, 3), 40, np.uint8), np.full((90, 120, 3), 200, np.uint8)
    mask = empty_mask(source)
    mask[30:60, 40:80] = 1
    mixed = kept_outside(mask, source, drawn)
    margin = 3  # of 90 pixels
    assert (mixed[30 - margin : 60 + margin, 40:80] == 200).all()
    assert (mixed[: 30 - 2 * margin - 1] == 40).all()
    assert (mixed[:, : 40 - 2 * margin - 1] == 40).all()
    assert 40 < mixed[45, 40 - 2 * margin + 1, 0] < 200
    with call_scope() as notes:
        assert (kept_outside(empty_mask(source), source, drawn) == 200).all()
    assert "empty" in notes[0]


@given(st.integers(64, 4096), st.integers(64, 4096))
def test_a_canvas_is_one_that_pipelines_leave_as_it_is(width: int, height: int) -> None:
    if max(width, height) > 4 * min(width, height):
        return
    area = area_canvas(width, height, 1024 * 1024)
    assert sides_of_area(1024 * 1024, area.width / area.height) == (area.width, area.height)
    assert area.used > 0.85
    snug = snug_canvas(width, height, 16, 1024 * 1024)
    assert snug.width % 16 == snug.height % 16 == 0
    assert snug.width * snug.height <= 1024 * 1024
    assert min(snug.width, snug.height) >= 64
    assert snug.scale == 1 or width * height > 900 * 900
    for canvas in (area, snug):
        assert width * canvas.scale <= canvas.width + 1e-6
        assert height * canvas.scale <= canvas.height + 1e-6


@pytest.mark.slow
@given(st.integers(64, 4096), st.integers(64, 4096))
def test_sides_are_those_of_diffusers(width: int, height: int) -> None:
    declare_operators()
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus as plus
    from diffusers.pipelines.qwenimage21 import pipeline_qwenimage21 as of_21

    assert sides_of_area(1024 * 1024, width / height) == plus.calculate_dimensions(1024 * 1024, width / height)
    assert (*sides_of_area(512 * 512, width / height), None) == of_21.calculate_dimensions(512 * 512, width / height)


def test_guidance_goes_from_none_to_full() -> None:
    assert [guidance_at(strength, 4.75) for strength in (0, 0.8, 1)] == [1, 4, 4.75]
