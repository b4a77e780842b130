"""Which networks a profile would load, learned from the models that it builds: building one loads nothing.

Every config with a field that names weights (`repo`, `revision`) is one thing to load, with the placement beside it;
a network whose config holds another's, for example a generator with its depth, gives two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from types import FunctionType, MethodType

from pydantic import BaseModel

from agent.profile import Component, Profile
from ditto_models.gpu.geometry import WAN, Grid
from ditto_models.gpu.network import Network
from ditto_models.gpu.weights import WeightsConfig

OURS = ("agent.", "tools.", "memory.", "ditto_models.")
DEEPEST = 12
"""Objects between a model and a network that it holds."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """What is loaded in one go."""

    slots: tuple[str, ...]
    """Of the profile, which share it."""
    path: tuple[str, ...]
    """Of its config in the slot's."""
    config: BaseModel
    network: str
    """Name of the network's class."""
    makes: str
    """video, picture, or frames: what one call works on."""
    grid: Grid = WAN
    """Sizes of video that it takes."""
    weights: tuple[tuple[tuple[str, ...], WeightsConfig], ...]
    """By path in the slot's config; the first are the network's own, others are LoRAs and the like."""

    @property
    def slot(self) -> str:
        """The first of them."""
        return self.slots[0]

    @property
    def name(self) -> str:
        """For a person: slot and place in it."""
        return ".".join((self.slot, *self.path))

    def setting(self, name: str, default: str = "") -> str:
        """A setting of its placement; the default where it has none of that name."""
        placement = getattr(self.config, "placement", None)
        return str(getattr(placement, name, default))

    @property
    def wants_gpu(self) -> bool:
        """Whether it is not content with the CPU."""
        return self.setting("device", "auto") != "cpu"


def units_of(roots: Mapping[str, object]) -> list[Unit]:
    """Everything that the networks reachable from built models would load, each once."""
    found: dict[str, tuple[Network[BaseModel, object], list[str]]] = {}
    for slot, network in _networks(roots):
        key = f"{type(network).__qualname__} {network.config.model_dump_json()}"
        found.setdefault(key, (network, []))[1].append(slot)
    return [unit for network, slots in found.values() for unit in _units(network, tuple(dict.fromkeys(slots)))]


def _units(network: Network[BaseModel, object], slots: tuple[str, ...]) -> Iterator[Unit]:
    for path, config in _loadable(network.config):
        yield Unit(
            slots=slots,
            path=path,
            config=config,
            network=type(network).__name__,
            # What a config nested in another one loads works on frames, for example depth.
            makes=_makes(network) if not path else "frames",
            grid=getattr(network, "grid", WAN),
            weights=tuple(_weights(config, path)),
        )


def _makes(network: Network[BaseModel, object]) -> str:
    if hasattr(network, "generate") or hasattr(network, "enhance"):
        return "video"
    return "picture" if hasattr(network, "edit") else "frames"


def _networks(roots: Mapping[str, object]) -> Iterator[tuple[str, Network[BaseModel, object]]]:
    visited: set[int] = set()

    def walk(value: object, slot: str, depth: int) -> Iterator[tuple[str, Network[BaseModel, object]]]:
        if isinstance(value, Network):  # also one that another slot has: both name it
            yield slot, value
        if depth > DEEPEST or id(value) in visited or isinstance(value, (str, bytes, int, float, type, BaseModel)):
            return
        visited.add(id(value))
        for below in _below(value):
            yield from walk(below, slot, depth + 1)

    for slot, root in roots.items():
        yield from walk(root, slot, 0)


def _below(value: object) -> list[object]:
    """What a thing of ours holds: fields, items, and what a function closes over."""
    if isinstance(value, partial):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, MethodType):
        return [value.__self__]
    if isinstance(value, FunctionType):
        return [cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell)]
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    if is_dataclass(value):
        return [getattr(value, field.name) for field in fields(value)]
    return list(vars(value).values()) if type(value).__module__.startswith(OURS) and hasattr(value, "__dict__") else []


def _is_filled(cell: object) -> bool:
    try:
        return cell.cell_contents is not None  # type: ignore[attr-defined]
    except ValueError:
        return False


def _loadable(config: BaseModel, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], BaseModel]]:
    """Configs with weights of their own, outer ones first."""
    if any(isinstance(value, WeightsConfig) for value in vars(config).values()):
        yield path, config
    for name, value in vars(config).items():
        if isinstance(value, BaseModel) and not isinstance(value, WeightsConfig):
            yield from _loadable(value, (*path, name))


def _weights(config: BaseModel, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], WeightsConfig]]:
    for name, value in vars(config).items():
        several = value if isinstance(value, (tuple, list)) else (value,)
        for number, one in enumerate(several):
            if isinstance(one, WeightsConfig):
                index = (str(number),) if several is value else ()
                yield (*path, name, *index), one


def pinning(profile: Profile, unit: Unit, path: tuple[str, ...], weights: WeightsConfig, commit: str) -> str:
    """The overrides that pin weights to a commit, as they are written on the command line of agent.run.

    Overrides change what a profile says; of what it leaves to defaults the whole section is written.
    """
    first = getattr(profile, unit.slot, None)
    if not isinstance(first, Component) or any(part.isdigit() for part in path):
        return f"revision: {commit} beside {weights.repo!r} in the profile's file"
    named = {slot: getattr(profile, slot, None) for slot in unit.slots}
    # A slot may also hold what another one names, as a critic does.
    same = {slot: one for slot, one in named.items() if isinstance(one, Component) and one.kind == first.kind}
    return " ".join(_override(one.settings, slot, path, weights, commit) for slot, one in same.items())


def _override(place: object, slot: str, path: tuple[str, ...], weights: WeightsConfig, commit: str) -> str:
    known: list[str] = [slot]
    for part in path:
        if not isinstance(place, dict) or not isinstance(place.get(part), dict):
            break
        place = place[part]
        known.append(part)
    missing = path[len(known) - 1 :]
    if not missing:
        return f"{'.'.join(known)}.revision={commit}"
    value = weights.model_dump(mode="json", exclude_defaults=True) | {"repo": weights.repo, "revision": commit}
    inner: object = value
    for part in reversed(missing[1:]):
        inner = {part: inner}
    return f"'{'.'.join(known)}.{missing[0]}={_flow(inner)}'"


def _flow(value: object) -> str:
    """As YAML writes it in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return str(value)
