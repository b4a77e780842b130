"""Masks of what words name, found and followed through a clip by SAM 3 (Carion et al. 2025), as transformers has it.

Its weights are under the SAM License: commercial use is allowed, military and ITAR uses are not, and Meta's repository
wants it accepted on the hub before it hands them out.

A detector reads the words and looks at every frame, so that what comes into view later is found too; a tracker
follows each object, and drops one that is seen in a few frames only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ditto_models.base import Frames, Masks
from ditto_models.executors.of_call import note, stop_if_cancelled
from ditto_models.gpu.batched import Pretrained, pretrained
from ditto_models.gpu.mask_shape import MaskShapeConfig, shaped
from ditto_models.gpu.network import Network
from ditto_models.gpu.placement import DeviceConfig
from ditto_models.gpu.weights import WeightsConfig, resolved

if TYPE_CHECKING:
    import torch

MOST_TOKENS = 32
"""That SAM 3 reads, with the two that begin and end them."""


class Sam3MaskerConfig(BaseModel):
    """Which network, what the main subject is, and how masks are shaped."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: WeightsConfig = WeightsConfig(repo="facebook/sam3")
    """SAM License; the hub hands them out once it is accepted."""
    placement: DeviceConfig = DeviceConfig()
    subjects: tuple[str, ...] = Field(default=("person", "cartoon character", "animal", "vehicle"), min_length=1)
    """Words for a clip's main subject; the first that is there in credible size is the subject."""
    min_share: float = Field(default=0.02, ge=0, le=1)
    """A subject covers at least this much of the frame, in the middle of the frames that it is in."""
    max_share: float = Field(default=0.7, ge=0, le=1)
    """What covers more is the scene."""
    min_presence: float = Field(default=0.9, ge=0, le=1)
    """A subject is in at least this part of the frames."""
    objects: Literal["all", "best"] = "all"
    """Of several objects that the same words name: all as one mask, or the one of the highest score, summed over
    the frames that it is in."""
    shape: MaskShapeConfig = MaskShapeConfig()


class Sam3Masker(Network[Sam3MaskerConfig, Pretrained]):
    """A SubjectMasker and a TargetMasker."""

    def __init__(self, config: Sam3MaskerConfig) -> None:
        super().__init__(config)
        self.name = resolved(config.weights)
        self._memory = "device"

    def load(self) -> Pretrained:
        """Read the weights and put them in place.

        Raises:
            WeightsError: they cannot be had.
        """
        from ditto_models.gpu.sam3_kernels import put_in_place

        put_in_place()
        loaded = pretrained("Sam3VideoProcessor", "Sam3VideoModel", self.config.weights, self.config.placement)
        self.name = resolved(self.config.weights)  # a branch's commit is known from here on
        return loaded

    def resident(self, loaded: Pretrained) -> tuple[torch.nn.Module, ...]:
        """The whole network."""
        return (loaded.model,)

    def ease(self, loaded: Pretrained) -> str:
        """Keep what the tracker remembers in the memory of the CPU."""
        if self._memory == "cpu" or loaded.model.device.type == "cpu":
            return ""
        self._memory = "cpu"
        return "the tracker's memory kept on the CPU"

    def mask(self, frames: Frames) -> Masks:
        """Masks of the main subject, THW float32 of 0 and 1; all zero where there is none of credible size.

        Raises:
            ValueError: there are no frames.
        """
        for words, masks in self._found(frames, self.config.subjects).items():
            shares = masks.mean(axis=(1, 2))
            present = shares[shares > 0]
            usual = float(np.median(present)) if len(present) else 0.0
            sized = self.config.min_share <= usual <= self.config.max_share
            if sized and len(present) >= self.config.min_presence * len(frames):
                note(f"{self.name}: the main subject is {words!r}")
                return masks
        return np.zeros(frames.shape[:3], np.float32)

    def mask_target(self, frames: Frames, words: str) -> Masks:
        """Masks of what the words name, THW float32 of 0 and 1; all zero where it is not there.

        Raises:
            ValueError: there are no words, too many of them, or no frames.
        """
        if not words.strip():
            raise ValueError(f"words are {words!r}; expected a few that name something, for example 'the red car'")
        return self._found(frames, (words.strip(),))[words.strip()]

    def _found(self, frames: Frames, prompts: tuple[str, ...]) -> dict[str, Masks]:
        """Shaped masks by prompt, in the order of the prompts."""
        if frames.ndim != 4 or not len(frames):
            raise ValueError(f"frames are {frames.shape}; expected at least one, THWC")
        found = self.with_loaded(lambda loaded: self._tracked(loaded, frames, prompts))
        return {words: shaped(masks, self.config.shape) for words, masks in found.items()}

    def _tracked(self, loaded: Pretrained, frames: Frames, prompts: tuple[str, ...]) -> dict[str, Masks]:
        """Masks by prompt, as they come from the tracker."""
        for words in prompts:
            tokens = len(loaded.processor.tokenizer(words)["input_ids"])
            if tokens > MOST_TOKENS:
                raise ValueError(f"words {words!r} are {tokens} tokens; {self.name} reads at most {MOST_TOKENS}")
        session = self._session(loaded, frames)
        loaded.processor.add_text_prompt(session, list(prompts))
        objects: dict[str, dict[int, _Object]] = {words: {} for words in prompts}
        for output in loaded.model.propagate_in_video_iterator(session):
            stop_if_cancelled()
            seen = loaded.processor.postprocess_outputs(session, output)
            masks, scores = seen["masks"].cpu().numpy(), seen["scores"].tolist()
            places = {number: place for place, number in enumerate(seen["object_ids"].tolist())}
            for words, numbers in seen["prompt_to_obj_ids"].items():
                for number in numbers:
                    one = objects[words].setdefault(number, _Object(masks={}, scores=[]))
                    one.masks[output.frame_idx] = masks[places[number]]
                    one.scores.append(scores[places[number]])
        return {words: self._united(list(ones.values()), frames) for words, ones in objects.items()}

    def _session(self, loaded: Pretrained, frames: Frames) -> Any:
        memory: torch.device | str = "cpu" if self._memory == "cpu" else loaded.model.device
        return loaded.processor.init_video_session(
            video=np.require(frames, requirements="W"),  # torch warns of arrays that it must not write to
            inference_device=loaded.model.device,
            inference_state_device=memory,
            video_storage_device=memory,
            processing_device=memory,
            dtype=loaded.model.dtype,
        )

    def _united(self, objects: list[_Object], frames: Frames) -> Masks:
        if self.config.objects == "best" and objects:
            objects = [max(objects, key=lambda one: sum(one.scores))]
        masks = np.zeros(frames.shape[:3], np.float32)
        for one in objects:
            for place, mask in one.masks.items():
                masks[place] = np.maximum(masks[place], mask)
        return masks


@dataclass(frozen=True, kw_only=True)
class _Object:
    """One object that was followed: its masks HW by frame, and its scores in these frames."""

    masks: dict[int, Any]
    scores: list[float]
