"""Frames as content parts of an OpenAI-style message, sized and sampled as Qwen-VL's own code does it (qwen-vl-utils).

A picture that already has the size that the model wants costs a number of tokens known beforehand, is sent as few
bytes as possible, and is not scaled again by the server. The same frames always give the same bytes.

A clip goes as images with their times between them, or as one video; both were tried on vLLM 0.32 with both families:

- `as_images`, the default: any OpenAI-style server takes it, and no frame is merged with its neighbour. It reads like
  the way in which Qwen3-VL itself writes a video: a time, then a picture.
- one `video_url` part of JPEG frames: half the tokens, since the model merges two frames into one. When its frames
  were taken must stand in the request's extra body (`sendable` puts it there), or the server takes them to be a second
  apart and says so to the model; and vLLM takes it only when started with `--trust-request-mm-kwargs`.

Shape suffixes: T frames, H height, W width, C the channels R, G, B.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from ditto_models.base import Frame, Frames

if TYPE_CHECKING:
    from PIL.Image import Image

Part = dict[str, JsonValue]
"""One content part of a message."""
PATCH_SIZES = {"qwen2_5_vl": 14, "qwen3_vl": 16}
"""Pixels along one side of a patch; a token is 2 x 2 patches."""
LEAST_TOKENS = 4
"""Of an image or of a frame: qwen-vl-utils and the published checkpoints enlarge what has fewer."""
MOST_TOKENS = 6144
"""Of an image or a clip: a server started by `ditto_models.serve` keeps memory for no larger one."""
FRAMES_PER_STEP = 2
"""Frames of a video that share their tokens."""
VIDEO_PREFIX = "data:video/jpeg;base64,"
TIMES = "media_io_kwargs"
"""Key of what a video part says of the times of its frames, and of the same in a request to vLLM."""


@dataclass(frozen=True, kw_only=True)
class Sendable:
    """Parts for a message, and what the extra body of its request must hold beside them."""

    parts: list[dict[str, Any]]
    extra_body: dict[str, Any]


class VisionConfig(BaseModel):
    """How pictures are prepared for a model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: Literal["qwen2_5_vl", "qwen3_vl"] = "qwen3_vl"
    """Of the model that looks at them: it decides how many pixels make a token (28 x 28 or 32 x 32)."""
    tokens_per_image: int = Field(default=1024, ge=16, le=MOST_TOKENS)
    """Of one image, at most; a larger one is scaled down. The checkpoint's own limit must not be lower."""
    tokens_per_video: int = Field(default=2048, ge=64, le=MOST_TOKENS)
    """Of all frames of a clip together, at most."""
    frames_per_second: float = Field(default=4.0, gt=0)
    """Frames taken of a second of the clip: an even number of frames, evenly spaced, at least 4 where it has them."""
    most_frames: int = Field(default=8, ge=4, le=64, multiple_of=FRAMES_PER_STEP)
    """Of a clip, however long."""
    as_images: bool = True
    """Send a clip as images, not as one video."""
    encoding: Literal["jpeg", "png"] = "jpeg"
    """Of images; PNG loses nothing and is several times as large. The frames of a video part are always JPEG."""
    jpeg_quality: int = Field(default=90, ge=50, le=100)

    @model_validator(mode="after")
    def _every_frame_has_tokens(self) -> Self:
        if self.tokens_per_video < 16 * self.most_frames:
            raise ValueError(
                f"tokens_per_video is {self.tokens_per_video}; {self.most_frames} frames need {16 * self.most_frames}"
            )
        return self

    @property
    def patch_size(self) -> int:
        """Pixels along one side of a patch."""
        return PATCH_SIZES[self.family]

    @property
    def pixels_per_token(self) -> int:
        """Pixels of the square that becomes one token."""
        return (2 * self.patch_size) ** 2


def image_part(frame_HWC: Frame, config: VisionConfig) -> Part:
    """One image as an `image_url` part.

    Raises:
        ValueError: the frame is too long and thin for its tokens.
    """
    return _image_part(_resized(frame_HWC, config.tokens_per_image, config), config)


def video_parts(frames_THWC: Frames, fps: float, config: VisionConfig) -> list[Part]:
    """A clip as parts: for each frame its time in words and its image, or one `video_url` for `sendable`.

    Raises:
        ValueError: the frames are fewer than two, or too long and thin for their tokens.
    """
    indices = sampled_frames(len(frames_THWC), fps, config)
    tokens = _tokens_per_frame(len(indices), config)
    images = [_resized(frames_THWC[index], tokens, config) for index in indices]
    if not config.as_images:
        encoded = ",".join(base64.b64encode(_encoded(image, "jpeg", config)).decode() for image in images)
        times = _times(indices, len(frames_THWC), fps)
        return [{"type": "video_url", "video_url": {"url": VIDEO_PREFIX + encoded}, TIMES: times}]
    parts: list[Part] = []
    for index, image in zip(indices, images, strict=True):
        parts += [{"type": "text", "text": f"{index / fps:.2f} s"}, _image_part(image, config)]
    return parts


def sendable(parts: Sequence[Mapping[str, Any]]) -> Sendable:
    """Parts as a request may hold them: what is said of the times of a clip goes to the extra body.

    Raises:
        ValueError: two clips lie at other times, and a request can say but one thing of all of them.
    """
    times = [part[TIMES] for part in parts if TIMES in part]
    if any(each != times[0] for each in times):
        raise ValueError("two clips of one request have other frames or rates; show them as images (vision.as_images)")
    plain = [{key: value for key, value in part.items() if key != TIMES} for part in parts]
    return Sendable(parts=plain, extra_body={TIMES: times[0]} if times else {})


def sampled_frames(num_frames: int, fps: float, config: VisionConfig) -> list[int]:
    """Indices of the frames that the model sees: from the first to the last, evenly spaced, an even number.

    Raises:
        ValueError: the frames are fewer than two.
    """
    if num_frames < FRAMES_PER_STEP or fps <= 0:
        raise ValueError(f"a clip needs at least 2 frames and a rate above 0; got {num_frames} frames at {fps} fps")
    _prepare_import()
    from qwen_vl_utils.vision_process import smart_nframes

    limits = {"fps": min(config.frames_per_second, fps), "max_frames": min(config.most_frames, num_frames)}
    count = smart_nframes(limits, total_frames=num_frames, video_fps=fps)
    return [int(index) for index in np.linspace(0, num_frames - 1, count).round()]


def tokens_of(parts: Sequence[Part], config: VisionConfig) -> int:
    """Visual tokens of parts made here; text, and the few tokens that frame each picture, are not counted.

    Raises:
        ValueError: a part is neither text, an image nor a clip made here.
    """
    return sum(_tokens_of(part, config) for part in parts)


def _times(indices: list[int], num_frames: int, fps: float) -> JsonValue:
    """For vLLM's loader of videos: sample no further; the frames are these of so many at that rate."""
    taken: list[JsonValue] = [*indices]
    return {"video": {"num_frames": -1, "fps": fps, "frames_indices": taken, "total_num_frames": num_frames}}


def _tokens_of(part: Part, config: VisionConfig) -> int:
    if part["type"] == "text":
        return 0
    place = part.get(str(part["type"]))
    url = place["url"] if isinstance(place, dict) else None
    if not isinstance(url, str) or ";base64," not in url:
        raise ValueError(f"cannot count the tokens of a part of type {part['type']!r}; expected one made here")
    frames = url.partition(";base64,")[2].split(",")
    width, height = _size(base64.b64decode(frames[0]))
    tokens = width * height // config.pixels_per_token
    return tokens * (len(frames) // FRAMES_PER_STEP) if part["type"] == "video_url" else tokens


def _tokens_per_frame(num_frames: int, config: VisionConfig) -> int:
    """The share of one frame in the tokens of its clip, as qwen-vl-utils' fetch_video shares them."""
    _prepare_import()
    from qwen_vl_utils.vision_process import VIDEO_MAX_TOKEN_NUM

    together = 1 if config.as_images else FRAMES_PER_STEP
    return min(int(VIDEO_MAX_TOKEN_NUM), config.tokens_per_video * together // num_frames)


def _resized(frame_HWC: Frame, tokens: int, config: VisionConfig) -> Image:
    # fetch_video is no use for frames: 0.0.14 scales each of a list twice, the first time to patches twice as large.
    _prepare_import()
    from PIL import Image
    from qwen_vl_utils.vision_process import smart_resize

    height, width = frame_HWC.shape[:2]
    limits = {"min_pixels": LEAST_TOKENS * config.pixels_per_token, "max_pixels": tokens * config.pixels_per_token}
    new_height, new_width = smart_resize(height, width, factor=2 * config.patch_size, **limits)
    if not new_height * new_width:
        raise ValueError(f"a frame of {width}x{height} is too long for {tokens} tokens; allow more, or crop it")
    image = Image.fromarray(np.ascontiguousarray(frame_HWC))
    return image.resize((new_width, new_height), Image.Resampling.BICUBIC)


def _image_part(image: Image, config: VisionConfig) -> Part:
    encoded = base64.b64encode(_encoded(image, config.encoding, config)).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/{config.encoding};base64,{encoded}"}}


def _encoded(image: Image, encoding: str, config: VisionConfig) -> bytes:
    with io.BytesIO() as data:
        if encoding == "png":
            image.save(data, "PNG")
        else:
            image.save(data, "JPEG", quality=config.jpeg_quality, subsampling=0)
        return data.getvalue()


def _size(data: bytes) -> tuple[int, int]:
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return image.size


def _prepare_import() -> None:
    from ditto_models.torchvision_cpu import declare_operators

    declare_operators()
