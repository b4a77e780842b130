"""What would end every sample of a run is told before its folder is made: weights that are not there, clips of a size
that its networks refuse. Nothing is loaded; the hub is asked only for weights of which nothing is here yet.

`agent.preflight` looks at more: memory, licences, the machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from agent.clip_rules import IngestConfig
from agent.command import CommandFailed
from agent.preflight.clips import clip_findings
from agent.preflight.networks import Unit, units_of
from agent.profile import ProfileError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def slots_of(*models: DataclassInstance) -> dict[str, object]:
    """What fills the slots of records of models, by name."""
    return {field.name: getattr(one, field.name) for one in models for field in fields(one)}


def check_networks(roots: Mapping[str, object], clips: IngestConfig) -> None:
    """Refuse what no network of these models could work with.

    Raises:
        ProfileError: clips are to be cut to a size or length that a network refuses.
        CommandFailed: weights are not there, or are not fit to be loaded.
    """
    units = units_of(roots)
    for finding in clip_findings(units, clips):
        if finding.status == "fail":
            raise ProfileError(f"{finding.of}: {finding.found}, needs {finding.needed}; {finding.change}")
    _check_weights(units)


def _check_weights(units: Sequence[Unit]) -> None:
    if not units:
        return
    from ditto_models.gpu.weights_state import problem_of

    named = [(".".join((unit.slot, *path)), weights) for unit in units for path, weights in unit.weights]
    # Folders first: what is wrong with them is told at once.
    for name, weights in sorted(named, key=lambda one: not Path(one[1].repo).expanduser().is_dir()):
        if problem := problem_of(weights):
            raise CommandFailed(f"{name}: {problem}")
