"""Models that are served: the chat models of a profile, over one pool of servers for each of its groups."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from agent.profile import ProfileError, ServerGroup
from ditto_models.base import Frame
from tools.ask import Part
from tools.shown_clip import Show

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from ditto_models.vllm_pool import ServerPool


CLIENT = ("langchain_openai", "qwen_vl_utils")
"""Of the extra `vllm`."""


def group_of(slot: str, server: str, groups: Mapping[str, ServerGroup]) -> ServerGroup:
    """The servers that a slot's component names.

    Raises:
        ProfileError: the profile has no such group, or the client of served models is not installed.
    """
    if server not in groups:
        known = f"one of {', '.join(groups)}" if groups else f"servers.{server}.model=NAME"
        raise ProfileError(f"{slot}.server is {server!r}, and the profile has no such servers; expected {known}")
    if missing := [name for name in CLIENT if importlib.util.find_spec(name) is None]:
        raise ProfileError(
            f"{slot} is a served model, and its client is not installed ({', '.join(missing)}); "
            "install it: .venv/bin/python -m pip install -c requirements/constraints.txt '.[vllm]'"
        )
    return groups[server]


@dataclass(frozen=True, kw_only=True)
class Served:
    """A component's model: how it is asked, its name for the trace, and how it is shown things."""

    chat: BaseChatModel
    name: str
    show_clip: Show
    show_picture: Callable[[Frame], Part]
    """Of a frame HWC uint8 RGB."""


class ServedModels:
    """The chat models of a profile. A group's pool is made when the first component asks for it, and shared."""

    def __init__(self, groups: Mapping[str, ServerGroup]) -> None:
        self._groups = groups
        self._pools: dict[str, ServerPool] = {}

    @property
    def pools(self) -> tuple[ServerPool, ...]:
        """Those that components asked for."""
        return tuple(self._pools.values())

    def model(self, slot: str, server: str, temperature: float, max_tokens: int) -> Served:
        """The model that a group serves, as a component wants it asked.

        Raises:
            ProfileError: the profile has no such group, or the environment's addresses are none.
        """
        from ditto_models.vision import image_part, video_parts
        from ditto_models.vllm import SamplingConfig, chat_model

        pool, vision = self._pool(slot, server), self._groups[server].vision
        sampling = SamplingConfig(temperature=temperature, max_tokens=max_tokens)
        return Served(
            chat=chat_model(sampling, pool),
            name=pool.config.model,
            show_clip=partial(video_parts, config=vision),
            show_picture=partial(image_part, config=vision),
        )

    def _pool(self, slot: str, server: str) -> ServerPool:
        from ditto_models.vllm_pool import ServerPool

        group = group_of(slot, server, self._groups)
        if server not in self._pools:
            try:
                self._pools[server] = ServerPool(group)
            except ValueError as error:
                raise ProfileError(f"servers.{server}: {error}") from error
        return self._pools[server]
