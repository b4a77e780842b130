"""What networks have to say of a source's windows, once the decoder is done with them.

Networks live in this process or in workers of their own, and never where files from outside are decoded: a damaged
file may crash a decoder, and a decoder has no memory for a GPU's driver. Small pictures travel, not networks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from agent.clip_rules import still_problem
from agent.plain import plain
from agent.profile import Profile
from agent.source_models import WindowNetworks, build_window_networks
from agent.survey import Survey, Window
from ditto_models import base
from ditto_models.base import Frames
from ditto_models.executors.base import Executor
from ditto_models.executors.devices import NoDevice
from ditto_models.gpu.cannot_load import CannotLoad
from ditto_models.gpu.feature_index import packed
from ditto_models.metrics.path_length import path_length

T = TypeVar("T")


class LookFailed(RuntimeError):
    """A network could not look at what was shown to it, which is not the file's doing: it stays to be looked at."""


def build_second_look(profile: Profile, executor: Executor) -> SecondLook:
    """The second look of a profile.

    Raises:
        ProfileError: a kind or a setting is unknown.
    """
    return SecondLook(networks=build_window_networks(profile), executor=executor, min_motion=profile.clips.min_motion)


@dataclass(frozen=True, kw_only=True)
class SecondLook:
    """The networks of a profile that look at windows, and where they run."""

    networks: WindowNetworks
    executor: Executor
    min_motion: float
    """Pixels a frame at 640 across."""

    async def look(self, found: Survey) -> Survey:
        """The survey with what the networks say of its windows, and without the pictures they were shown.

        Raises:
            CannotLoad, NoDevice: a network cannot be loaded, or has nothing to run on.
            LookFailed: one failed otherwise.
        """
        windows = list(found.windows)
        if self.networks.motion is not None:
            await self._drop_still(windows, self.networks.motion)
        if self.networks.fingerprint is not None:
            await self._embed(windows, self.networks.fingerprint)
        return replace(found, windows=tuple(replace(window, squares=None, steps=None) for window in windows))

    async def _drop_still(self, windows: list[Window], flow: base.FlowEstimator) -> None:
        for place, window in enumerate(windows):
            if window.steps is not None and not window.dropped:
                steps = window.steps
                found = await self._of(flow.flow, steps)
                problem = still_problem(
                    path_length(found, (window.clip.frames - 1) / (len(steps) - 1)), self.min_motion
                )
                windows[place] = replace(window, dropped=problem)

    async def _embed(self, windows: list[Window], embedder: base.PictureEmbedder) -> None:
        """All pictures of the file in one call: batches are the network's business."""
        shown = {
            place: window.squares
            for place, window in enumerate(windows)
            if window.squares is not None and not window.dropped
        }
        if not shown:
            return
        features = await self._of(embedder.embed_pictures, np.concatenate(list(shown.values())))
        parts: list[NDArray[np.float32]] = np.split(features, np.cumsum([len(one) for one in shown.values()])[:-1])
        for place, part in zip(shown, parts, strict=True):
            windows[place] = replace(windows[place], seen=packed(part))

    async def _of(self, look: Callable[[Frames], T], shown: Frames) -> T:
        """What a network says; its seconds are no sample's."""
        try:
            return (await self.executor.run(look, shown)).value
        except (CannotLoad, NoDevice):
            raise
        except Exception as error:
            said = plain(" ".join(str(error).split()))
            raise LookFailed(f"sources cannot be looked at: {type(error).__name__}: {said}") from error
