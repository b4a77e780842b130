"""Pictures for a served model: sizes, times and what they cost, against qwen-vl-utils and a real server."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import urllib.request
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import BaseModel, ValidationError

from ditto_models.base import Frames
from ditto_models.call_log import recording
from ditto_models.vision import (
    Part,
    VisionConfig,
    image_part,
    sampled_frames,
    sendable,
    tokens_of,
    video_parts,
)
from ditto_models.vllm_server import DIRECT, VllmServer
from prompts.library import Prompt
from tests.moving_scene import moving_scene
from tests.served import served_chat
from tests.vllm_server import Servers
from tools.ask import Asker, Question

FAMILIES = ("qwen2_5_vl", "qwen3_vl")
FPS = 25.0


def vision(family: str, **changes: Any) -> VisionConfig:
    return VisionConfig.model_validate({"family": family} | changes)


def pictures(parts: list[Part]) -> list[Image.Image]:
    """Every frame of the parts, decoded."""
    urls = [part[part["type"]]["url"] for part in parts if part["type"] != "text"]  # type: ignore[index, call-overload]
    encoded = [each for url in urls for each in url.partition(";base64,")[2].split(",")]  # type: ignore[union-attr]
    return [Image.open(io.BytesIO(base64.b64decode(each))) for each in encoded]


@settings(max_examples=60)
@given(
    family=st.sampled_from(FAMILIES),
    height=st.integers(16, 900),
    width=st.integers(16, 900),
    tokens=st.integers(64, 1024),
)
def test_an_image_fits_whole_patches_and_its_tokens(family: str, height: int, width: int, tokens: int) -> None:
    config = vision(family, tokens_per_image=tokens)
    part = image_part(np.zeros((height, width, 3), np.uint8), config)
    (image,) = pictures([part])
    assert not image.width % (2 * config.patch_size)
    assert not image.height % (2 * config.patch_size)
    assert 4 <= tokens_of([part], config) <= tokens


@pytest.mark.parametrize("as_images", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("num_frames", "fps"), [(2, 25.0), (3, 8.0), (49, 25.0), (250, 25.0)])
def test_a_clip_keeps_its_ends_and_its_budget(num_frames: int, fps: float, family: str, as_images: bool) -> None:
    config = vision(family, tokens_per_video=300, as_images=as_images)
    indices = sampled_frames(num_frames, fps, config)
    assert (indices[0], indices[-1], len(indices) % 2) == (0, num_frames - 1, 0)
    assert len(indices) <= 8
    parts = video_parts(np.zeros((num_frames, 90, 160, 3), np.uint8), fps, config)
    assert len(pictures(parts)) == len(indices)
    assert tokens_of(parts, config) <= 300


def test_images_stand_between_their_times() -> None:
    parts = video_parts(moving_scene(49).frames, FPS, VisionConfig())
    assert [part["text"] for part in parts[::2]] == ["0.00 s", "0.40 s", "0.76 s", "1.16 s", "1.52 s", "1.92 s"]
    assert {part["type"] for part in parts[1::2]} == {"image_url"}


def test_what_is_sent_looks_like_the_frame() -> None:
    frame = moving_scene(2, 192, 320).frames[0]
    for encoding, most in (("png", 0), ("jpeg", 3)):
        (image,) = pictures([image_part(frame, VisionConfig(encoding=encoding))])
        assert np.abs(np.asarray(image).astype(int) - frame).mean() <= most


def test_the_same_frames_are_the_same_bytes() -> None:
    frames = moving_scene(13).frames
    for config in (VisionConfig(), VisionConfig(as_images=False)):
        assert json.dumps(video_parts(frames, FPS, config)) == json.dumps(video_parts(frames.copy(), FPS, config))


def test_what_cannot_be_shown_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="2 frames"):
        video_parts(np.zeros((1, 90, 160, 3), np.uint8), FPS, VisionConfig())
    with pytest.raises(ValueError, match="3000x20 is too long"):
        image_part(np.zeros((20, 3000, 3), np.uint8), VisionConfig(tokens_per_image=16))
    with pytest.raises(ValidationError, match="64 frames need 1024"):
        VisionConfig(tokens_per_video=512, most_frames=64)
    with pytest.raises(ValueError, match="'video'"):
        tokens_of([{"type": "video", "video": "clip.mp4"}], VisionConfig())


def test_clips_of_one_request_lie_at_the_same_times() -> None:
    config = VisionConfig(as_images=False)
    clips = [video_parts(moving_scene(count).frames, FPS, config) for count in (13, 13, 49)]
    shown = sendable([*clips[0], {"type": "text", "text": "or"}, *clips[1]])
    assert [sorted(part) for part in shown.parts] == [["type", "video_url"], ["text", "type"], ["type", "video_url"]]
    assert shown.extra_body["media_io_kwargs"]["video"]["frames_indices"] == [0, 4, 8, 12]
    with pytest.raises(ValueError, match="show them as images"):
        sendable([*clips[0], *clips[2]])


def prompt(server: VllmServer, parts: list[Part]) -> str:
    """What the model was given, as text; a picture is as many pad tokens as it cost."""
    shown = sendable(parts)
    body = {"model": server.model, "messages": [{"role": "user", "content": shown.parts}], "max_tokens": 1}
    answer = post(server, "v1/chat/completions", body | shown.extra_body | {"return_token_ids": True})
    tokens = {"model": server.model, "tokens": answer["prompt_token_ids"]}
    return str(post(server, "detokenize", tokens)["prompt"])


def post(server: VllmServer, path: str, body: dict[str, Any]) -> dict[str, Any]:
    address = server.base_url.removesuffix("v1") + path
    request = urllib.request.Request(address, json.dumps(body).encode(), {"content-type": "application/json"})
    with DIRECT.open(request, timeout=120) as response:
        return dict(json.load(response))


@pytest.mark.slow
@pytest.mark.parametrize("as_images", [False, True])
@pytest.mark.parametrize("family", [pytest.param("qwen2_5_vl", marks=pytest.mark.soak), "qwen3_vl"])
def test_a_real_server_counts_the_same_tokens(servers: Servers, family: str, as_images: bool) -> None:
    [server] = servers.get(family)
    # The tiny checkpoints allow 64 tokens an image and 128 a video; published ones allow more than anybody sends.
    config = vision(family, tokens_per_image=64, tokens_per_video=128, as_images=as_images)
    for frames in (moving_scene(49).frames, moving_scene(13, 200, 120).frames):
        given = [*video_parts(frames, FPS, config), image_part(frames[0], config)]
        text = prompt(server, given)
        assert text.count("<|image_pad|>") + text.count("<|video_pad|>") == tokens_of(given, config)


@pytest.mark.slow
def test_the_frames_of_a_video_part_lie_at_their_own_times(servers: Servers) -> None:
    [server] = servers.get("qwen3_vl")  # only this family writes times into the prompt
    config = vision("qwen3_vl", tokens_per_video=128, as_images=False)
    frames: Frames = moving_scene(49).frames
    text = prompt(server, video_parts(frames, FPS, config))
    assert [f"<{seconds} seconds>" in text for seconds in (0.2, 1.0, 1.7)] == [True] * 3


class Seen(BaseModel):
    moves: bool


@pytest.mark.slow
async def test_a_question_may_show_a_clip_as_one_video(servers: Servers) -> None:
    [server] = servers.get("qwen3_vl")
    config = vision("qwen3_vl", tokens_per_video=128, as_images=False)
    asker = Asker(chat=served_chat(server, temperature=0), answer=Seen)
    system = Prompt(text="Say whether it moves.", hash="0" * 8)
    parts = video_parts(moving_scene(49).frames, FPS, config)
    with recording() as calls:
        answer = await asker.ask(Question(purpose="caption", system=system, parts=parts, seed=0))
    assert isinstance(answer, Seen)
    assert calls[0].prompt_tokens > tokens_of(parts, config)
    assert b"frames_indices" in calls[0].request


def test_many_threads_may_prepare_their_first_picture_at_once() -> None:
    code = (
        "import numpy as np\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from ditto_models.vision import VisionConfig, image_part\n"
        "frame = np.zeros((64, 64, 3), np.uint8)\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    list(pool.map(lambda _: image_part(frame, VisionConfig()), range(8)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
