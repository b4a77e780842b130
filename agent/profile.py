"""A profile: which component fills each slot, and every setting of it; YAML, overridden on the command line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic_core import to_jsonable_python

from agent.clip_rules import IngestConfig
from agent.disk import DiskConfig
from agent.policy import PolicyConfig
from agent.telemetry_config import TelemetryConfig
from agent.training.config import TrainingConfig
from ditto_models.settings import SettingsError, first_problem, override, read_settings
from ditto_models.vision import VisionConfig
from ditto_models.vllm_servers import ServersConfig
from memory.sample import Kept

FOLDER = Path(__file__).parent / "profiles"
SERVERS = "servers"
TRAINING = "training"
TELEMETRY = "telemetry"
SERVED = "vllm"
"""The kind of every component that asks a served model."""
DEFAULT_SERVER = "vlm"
"""The group of servers that a component of kind vllm asks where it names none."""
DEFAULT_EMBEDDINGS = "embeddings"
"""The same, for the embedder."""


class ProfileError(SettingsError):
    """A profile or an override that cannot be used; the message says which key, what was expected, what to do."""


class Component(BaseModel):
    """What fills a slot, by kind, and its own settings, which its own Config checks."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str

    @property
    def settings(self) -> dict[str, JsonValue]:
        """All but the kind."""
        return cast("dict[str, JsonValue]", self.__pydantic_extra__ or {})


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


class ServerGroup(ServersConfig):
    """Servers of one model, and how pictures are prepared for it."""

    vision: VisionConfig = VisionConfig()


class Profile(BaseModel):
    """Every component and setting of a run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    servers: dict[str, ServerGroup] = Field(default_factory=dict)
    """Of components of kind vllm, by the name that they give as `server`."""
    clips: IngestConfig
    edits_per_clip: int = Field(default=5, ge=1, le=255)
    """Samples drawn from one clip, at most."""
    decoder: Component
    networks: Component = Component(kind="threads")
    """Where networks run that want a GPU: on a thread of this process, or in worker processes, one for each GPU."""
    fingerprint: Component = Component(kind="phash")
    """What says that two clips look alike: hashes, or a network."""
    motion: Component = Component(kind="dis")
    """What measures how much a clip moves: flow in passing, or a network."""
    text_reader: Component
    planner: Component
    writer: Component
    embedder: Component
    masker: Component
    target_masker: Component = Component(kind="none")
    """Finds what words name, for editors that follow words; without one, local edits are of the main subject."""
    describer: Component
    judge: Component = Component(kind="none")
    """A model that judges beside the measured critic."""
    editor: Component
    generator: Component
    enhancer: Component
    safety: Component
    critic: Component
    clip_scores: Component = Component(kind="none")
    """The CLIP that agent.evaluate measures CLIP-T and CLIP-F by; no sample depends on it."""
    memory: MemoryConfig
    policy: PolicyConfig
    retention: RetentionConfig = RetentionConfig()
    disk: DiskConfig = DiskConfig()
    training: TrainingConfig = TrainingConfig()
    telemetry: TelemetryConfig = TelemetryConfig()

    def served_model(self, component: Component) -> str:
        """Name of the model that a component asks; empty where its servers are not named."""
        group = self.servers.get(str(component.settings.get("server", DEFAULT_SERVER)))
        return group.model if group else ""

    def asked_servers(self) -> set[str]:
        """Names of the groups of servers that components ask."""
        defaults = {"planner": DEFAULT_SERVER, "describer": DEFAULT_SERVER, "writer": DEFAULT_SERVER}
        defaults |= {"judge": DEFAULT_SERVER, "embedder": DEFAULT_EMBEDDINGS}
        slots = [(getattr(self, slot), server) for slot, server in defaults.items()]
        return {str(one.settings.get("server", server)) for one, server in slots if one.kind == SERVED}

    def identity(self) -> dict[str, JsonValue]:
        """What samples depend on: all but where networks, servers and collectors are, training and evaluation.

        With the flywheel on, evaluations change what is asked for: which editor they are of, each job's record says.
        """
        servers = {name: {"model": group.model, "vision": group.vision} for name, group in self.servers.items()}
        own = self.model_dump(mode="json", exclude={SERVERS, "networks", "clip_scores", TRAINING, TELEMETRY})
        own[SERVERS] = to_jsonable_python(servers)
        flywheel = self.training.flywheel
        return own | ({TRAINING: {"flywheel": flywheel.model_dump(mode="json")}} if flywheel.on else {})

    @property
    def hash(self) -> str:
        """The first 16 hex digits of the sha256 of what samples depend on."""
        return hashlib.sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()[:16]


def load_profile(name: str, overrides: Iterable[str] = ()) -> Profile:
    """A profile by name (agent/profiles/NAME.yaml) or by path, with `key.path=value` overrides.

    `extends: NAME` in it takes all that it does not say itself from another profile.

    Raises:
        ProfileError: there is no such profile, it is not YAML, a key is unknown, or a value is out of bounds.
    """
    overrides = list(overrides)
    try:
        values, path = read_settings(name, FOLDER, "profile")
        for text in overrides:
            _override(values, text)
    except SettingsError as error:
        raise ProfileError(str(error)) from error
    profile = parse_profile(values, str(path))
    _are_asked(profile, overrides)
    return profile


def _are_asked(profile: Profile, overrides: Iterable[str]) -> None:
    """Refuse settings of servers that nobody asks: a name is wrong, or the component that should ask is missing."""
    asked = profile.asked_servers()
    if not asked <= profile.servers.keys():
        return  # told where the component is built that asks them
    for text in overrides:
        section, *names = text.partition("=")[0].split(".")
        if section == SERVERS and names and names[0] not in asked:
            known = f"its components ask {', '.join(sorted(asked))}" if asked else "none of its components is served"
            raise ProfileError(
                f"override {text!r}: no component asks servers {names[0]!r} ({known}); "
                f"mend the name, or let one ask them, for example planner={{kind: {SERVED}, server: {names[0]}}}"
            )


def parse_profile(values: object, origin: str) -> Profile:
    """A profile from plain values.

    Raises:
        ProfileError: a key is unknown or missing, or a value is out of bounds.
    """
    try:
        return Profile.model_validate(values)
    except ValidationError as error:
        raise ProfileError(f"profile {origin!r}: {first_problem(error)}") from error


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


def _override(values: dict[str, object], text: str) -> None:
    def may_be_begun(parents: Sequence[str], number: int) -> bool:
        # What a profile leaves to defaults may be given; its Config knows the names.
        begun = {SERVERS: 3, TRAINING: 3, TELEMETRY: 1}.get(parents[0], 0)
        return _is_component(values, parents) or number < begun

    override(values, text, "profile", "policy.thresholds.safety=0.3", may_be_begun)


def _is_component(values: Mapping[str, object], parents: Sequence[str]) -> bool:
    slot = values.get(parents[0])
    return isinstance(slot, dict) and "kind" in slot
