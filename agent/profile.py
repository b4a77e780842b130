"""A profile: which component fills each slot, and every setting of it; YAML, overridden on the command line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Literal, cast

import yaml
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from agent.clip_rules import IngestConfig
from agent.disk import DiskConfig
from agent.policy import PolicyConfig
from memory.sample import Kept

FOLDER = Path(__file__).parent / "profiles"


class ProfileError(ValueError):
    """A profile or an override that cannot be used; the message says which key, what was expected, what to do."""


class Component(BaseModel):
    """What fills a slot, by kind, and its own settings, which its own Config checks."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str

    @property
    def settings(self) -> dict[str, JsonValue]:
        """All but the kind."""
        return cast("dict[str, JsonValue]", self.__pydantic_extra__ or {})

    def split(self, keys: Container[str]) -> tuple[Component, Component]:
        """The settings with these keys, and the others, as a component each."""
        first = {key: value for key, value in self.settings.items() if key in keys}
        others = {key: value for key, value in self.settings.items() if key not in keys}
        return Component.model_validate({"kind": self.kind} | first), Component.model_validate(
            {"kind": self.kind} | others
        )


class MemoryConfig(BaseModel):
    """The instruction memory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    similarity_limit: float = Field(default=0.95, gt=0, le=1)
    """An instruction this near (cosine) to an earlier one of its edit type repeats it."""


class RetentionConfig(BaseModel):
    """What stays of samples that did not become pairs. Their events always stay."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rejected: Kept = "kept"
    """Of rejected, failed and unscored samples: all their files, a contact sheet each, or none. What is given up cannot
    be accepted by a person later, so nothing is unless it is asked for."""
    requests: Literal["kept", "dropped"] = "kept"
    """Of every sample: what was sent to served models, with its pictures, or only its hash."""


class Profile(BaseModel):
    """Every component and setting of a run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clips: IngestConfig
    edits_per_clip: int = Field(default=5, ge=1, le=255)
    """Samples drawn from one clip, at most."""
    decoder: Component
    text_reader: Component
    planner: Component
    writer: Component
    embedder: Component
    masker: Component
    describer: Component
    editor: Component
    generator: Component
    enhancer: Component
    safety: Component
    critic: Component
    memory: MemoryConfig
    policy: PolicyConfig
    retention: RetentionConfig = RetentionConfig()
    disk: DiskConfig = DiskConfig()

    @property
    def hash(self) -> str:
        """The first 16 hex digits of the sha256 of the whole profile."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def load_profile(name: str, overrides: Iterable[str] = ()) -> Profile:
    """A profile by name (agent/profiles/NAME.yaml) or by path, with `key.path=value` overrides.

    Raises:
        ProfileError: there is no such profile, it is not YAML, a key is unknown, or a value is out of bounds.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in FOLDER.glob("*.yaml")))
        raise ProfileError(f"profile {name!r} not found; expected one of {known}, or a path to a .yaml file")
    try:
        values = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ProfileError(f"profile {str(path)!r} is not YAML: {_one_line(error)}") from error
    for override in overrides:
        _override(values, override)
    return parse_profile(values, str(path))


def parse_profile(values: object, origin: str) -> Profile:
    """A profile from plain values.

    Raises:
        ProfileError: a key is unknown or missing, or a value is out of bounds.
    """
    try:
        return Profile.model_validate(values)
    except ValidationError as error:
        raise ProfileError(f"profile {origin!r}: {first_problem(error)}") from error


def first_problem(error: ValidationError) -> str:
    """The first thing that is wrong, in one line."""
    item = error.errors(include_url=False)[0]
    place = ".".join(map(str, item["loc"])) or "the whole of it"
    got = repr(item["input"])
    return f"{place}: {item['msg']}, got {got if len(got) <= 80 else got[:80] + '...'}"


def differences(old: Mapping[str, object], new: Mapping[str, object], prefix: str = "") -> list[str]:
    """What differs between two nested mappings, one line a value."""
    lines = []
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            lines += differences(before, after, f"{prefix}{key}.")
        elif before != after:
            lines.append(f"{prefix}{key}: {before!r} -> {after!r}")
    return lines


def _override(values: dict[str, object], override: str) -> None:
    path, equals, text = override.partition("=")
    if not equals:
        raise ProfileError(
            f"override {override!r} has no '='; expected key.path=value, e.g. policy.thresholds.safety=0.3"
        )
    *parents, last = path.split(".")
    if not last:
        raise ProfileError(f"override {override!r} names no key; expected key.path=value")
    place: object = values
    for parent in parents:
        place = place.get(parent) if isinstance(place, dict) else None
    if not isinstance(place, dict):
        raise ProfileError(f"override {override!r}: the profile has no section {'.'.join(parents)!r}")
    try:
        place[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ProfileError(f"override {override!r}: its value is not YAML: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
