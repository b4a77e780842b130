"""Captions by a model: in place of the measured one where the answer can be read, and never in silence where not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ditto_models.executors.in_process import InProcessExecutor
from ditto_models.vision import VisionConfig, video_parts
from ditto_models.vllm_server import VllmServer
from memory.artifacts import ArtifactStore
from memory.sample import Clip, Description, Sample
from tests.fakes import FakeDescriber, FakeMasker
from tests.moving_scene import moving_scene
from tests.scripted_chat import ScriptedChat
from tests.served import served_chat
from tools.captioner import Captioner, one_line
from tools.describe_clip import describe_clip
from tools.media import Media
from tools.result import ToolResult
from tools.shown_clip import shown_clip

SEEN = {
    "subjects": "A round orange ball, left of the middle",
    "actions": "It rolls to the right.",
    "setting": "A green field.",
    "light": "Even daylight.",
    "camera": "A wide shot that pans slowly.",
}
CAPTION = (
    "A round orange ball, left of the middle. It rolls to the right. A green field. Even daylight. "
    "A wide shot that pans slowly."
)


@pytest.fixture
def media(tmp_path: Path) -> Media:
    return Media(ArtifactStore(tmp_path))


def sample_of(media: Media) -> Sample:
    video = media.put_frames(moving_scene().frames, 25.0)
    size = {"frames": 13, "width": 160, "height": 96, "fps": 25.0}
    clip = Clip(clip_id="c", uri="c.mp4", sha256="0", start_seconds=0, end_seconds=0.52, video=video, **size)
    return Sample(id="s", seed=5, stage="clip", clip=clip)


async def described(media: Media, sample: Sample, chat: Any) -> tuple[Description, ToolResult]:
    executor = InProcessExecutor(1)
    look = shown_clip(lambda frames, fps: video_parts(frames, fps, VisionConfig()), media, executor)
    captioner = Captioner(chat=chat, name="a-vlm", look=look)
    tool = describe_clip(FakeDescriber({"lightness": 50.0}), FakeMasker(), media, executor, executor, captioner)
    result: ToolResult = await tool.ainvoke({"sample": sample})
    executor.close()
    found = result.changes["description"]
    assert isinstance(found, Description)
    return found, result


async def test_caption_of_the_model_stands_in_for_the_measured_one(media: Media) -> None:
    chat = ScriptedChat(answer=lambda asked: SEEN)
    found, result = await described(media, sample_of(media), chat)
    assert found.caption == CAPTION
    assert found.facts == {"lightness": 50.0}
    assert found.masks
    assert result.model == "fake-describer, fake-masker, a-vlm"
    [asked] = chat.asked
    assert (asked.purpose, asked.seed) == ("caption", 5)
    assert sum(part["type"] == "image_url" for part in asked.parts) >= 4


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda asked: "I see a ball.", "Invalid JSON"),
        (lambda asked: SEEN | {"light": "x" * 200}, "light"),
        (lambda asked: SEEN | {"decision": "accept"}, "decision"),
        (lambda asked: dict.fromkeys(SEEN, "],of. }}"), "holds 5 words"),
        (lambda asked: dict.fromkeys(SEEN, "\x00\x1b\u202e\n"), "holds 0 words"),
    ],
)
async def test_without_a_readable_caption_the_measured_one_is_kept_and_said(
    media: Media, answer: Callable[[Any], Any], why: str
) -> None:
    found, result = await described(media, sample_of(media), ScriptedChat(answer=answer))
    assert found.caption == "13 frames"
    assert "a-vlm gave no caption" in result.note
    assert why in result.note


async def test_answer_that_was_cut_is_no_caption(media: Media) -> None:
    chat = ScriptedChat(answer=lambda asked: SEEN, finish_reason="length")
    found, result = await described(media, sample_of(media), chat)
    assert found.caption == "13 frames"
    assert "cut before it was whole" in result.note


def test_caption_is_one_line_of_what_can_be_seen() -> None:
    hidden = "A red\x07 ball\u202e\n\n rolls\u200b\ud800  away\x00"
    assert one_line(hidden) == "A red ball rolls away"


@given(st.text(st.characters()))
def test_every_text_becomes_a_line_that_can_be_shown(text: str) -> None:
    assert one_line(text).isprintable()
    assert one_line(one_line(text)) == one_line(text)


@pytest.mark.slow
async def test_random_model_behind_a_real_server_captions_or_is_said_not_to(
    media: Media, vllm_server: VllmServer
) -> None:
    sample = sample_of(media)
    for seed in range(3):
        found, result = await described(
            media, sample.model_copy(update={"seed": 10 * seed}), served_chat(vllm_server, 1.5)
        )
        assert found.caption == one_line(found.caption)
        assert found.caption == result.note or "a-vlm gave no caption" in result.note
