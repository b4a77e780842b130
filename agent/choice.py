"""From a component of a profile to what it names: by kind, with settings that its own Config checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from agent.profile import Component, ProfileError
from ditto_models.settings import first_problem

T = TypeVar("T")
C = TypeVar("C", bound=BaseModel)


def choose(slot: str, component: Component, kinds: Mapping[str, Callable[[], T]]) -> T:
    """What a slot's component names.

    Raises:
        ProfileError: there is no such kind.
    """
    if component.kind not in kinds:
        raise ProfileError(f"{slot}.kind is {component.kind!r}; expected one of {', '.join(kinds)}")
    return kinds[component.kind]()


def config_of(slot: str, component: Component, config: type[C]) -> C:
    """The component's settings.

    Raises:
        ProfileError: one is unknown or out of bounds.
    """
    try:
        return config.model_validate(component.settings)
    except ValidationError as error:
        raise ProfileError(f"{slot}: {first_problem(error)}") from error


def no_settings(slot: str, component: Component) -> None:
    """Check that a component of a kind without settings has none.

    Raises:
        ProfileError: it has.
    """
    if component.settings:
        raise ProfileError(f"{slot} of kind {component.kind!r} has no settings; got {', '.join(component.settings)}")
