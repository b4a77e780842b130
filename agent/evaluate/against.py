"""How far an evaluation is from an earlier one, pair by pair: what one source does to both cancels."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from agent.command import CommandError
from agent.evaluate.figures import Figure, Scored, averaged, figures_json
from agent.plain import plain
from ditto_models.settings import first_problem


class EarlierScore(BaseModel):
    """Of an axis."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    value: float | None


class EarlierPair(BaseModel):
    """What is read of a pair."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    instruction: str
    passed: float | None
    clip_t: float | None
    clip_f: float | None
    vlm: float | None
    scores: dict[str, EarlierScore]

    def figures(self) -> dict[str, float | None]:
        """By the names that `Scored.figures` has."""
        axes = {f"axes.{axis}": score.value for axis, score in self.scores.items()}
        told = {"passed": self.passed, "clip_t": self.clip_t, "clip_f": self.clip_f, "vlm": self.vlm}
        return {**told, **axes}


class Earlier(BaseModel):
    """What `--json` printed."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    edits: str
    judge: str | None
    clip: str | None
    config_hash: str
    pairs: tuple[EarlierPair, ...]


@dataclass(frozen=True, kw_only=True)
class Differences:
    """This evaluation less an earlier one."""

    edits: str
    """Of the earlier one."""
    pairs: int
    """That both have, with the same words."""
    overall: Mapping[str, Figure]
    by_edit_type: Mapping[str, Mapping[str, Figure]]

    def as_json(self) -> dict[str, JsonValue]:
        """As `--json` prints it."""
        types: dict[str, JsonValue] = {name: figures_json(found) for name, found in self.by_edit_type.items()}
        return {
            "edits": self.edits,
            "pairs": self.pairs,
            "overall": figures_json(self.overall),
            "by_edit_type": types,
        }


def read_earlier(path: Path, judge: str | None, clip: str | None, config_hash: str) -> Earlier:
    """An earlier evaluation that was made by the same means.

    Raises:
        CommandError: the file is none, or another judge, CLIP or profile measured it.
    """
    try:
        found = Earlier.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        why = first_problem(error) if isinstance(error, ValidationError) else str(error)
        raise CommandError(
            f"--against {str(path)!r} cannot be used: {plain(why)}; expected what agent.evaluate --json printed"
        ) from error
    means = (("judge", found.judge, judge), ("CLIP", found.clip, clip), ("profile", found.config_hash, config_hash))
    for what, before, now in means:
        if before != now:
            raise CommandError(
                f"--against {str(path)!r} was measured by {what} {before!r}, this one is by {now!r}: the figures do "
                "not compare; evaluate both in the same way"
            )
    return found


def differences(scored: Iterable[Scored], earlier: Earlier) -> Differences:
    """Figure by figure over the pairs that have it in both."""
    before = {(pair.id, pair.instruction): pair.figures() for pair in earlier.pairs}
    each: list[tuple[str, str, dict[str, float | None]]] = []
    for one in scored:
        was = before.get((one.judged.id, one.judged.instruction))
        if was is not None:
            each.append((one.edit_type, one.group, _less(one.figures(), was)))
    types = sorted({edit_type for edit_type, _, _ in each})
    return Differences(
        edits=plain(earlier.edits),
        pairs=len(each),
        overall=averaged([(group, figures) for _, group, figures in each]),
        by_edit_type={
            name: averaged([(group, figures) for edit_type, group, figures in each if edit_type == name])
            for name in types
        },
    )


def _less(now: Mapping[str, float | None], before: Mapping[str, float | None]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for name, value in now.items():
        was = before.get(name)
        found[name] = None if value is None or was is None else value - was
    return found
