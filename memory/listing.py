"""Lists of samples by the page: filtered, sorted and counted over the narrow table of listed.py.

Only the samples of one page are read and parsed, however many there are.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from memory.listed import LISTED
from memory.sample import Sample

Sort = Literal["newest", "oldest", "attempts", "seconds", "lowest", "highest"]
"""Attempts and model seconds: the most first. Lowest, highest: by the score of the filter's axis."""
_ORDER: Mapping[Sort, tuple[str, str]] = {
    "newest": ("number", "DESC"),
    "oldest": ("number", "ASC"),
    "attempts": ("attempts", "DESC"),
    "seconds": ("model_seconds", "DESC"),
    "lowest": ("coalesce({score}, 9e9)", "ASC"),
    "highest": ("coalesce({score}, -9e9)", "DESC"),
}
_AXIS = re.compile(r"[a-z0-9_]+")
MAX_WORDS = 12
Values = tuple[object, ...]


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which samples, in which order; what is empty or None lets all through.

    Raises:
        ValueError: a bound or an order by score names no axis, or the axis is no name.
    """

    decision: str = ""
    """Or "pending": under way."""
    reason: str = ""
    """One of the sample's reasons."""
    edit_type: str = ""
    scope: str = ""
    axis: str = ""
    """Alone it does not filter: it is what the bounds and the order by score speak of."""
    least: float | None = None
    most: float | None = None
    """The axis's score is at least, at most; of the video, or of the key frame where no video was judged."""
    text: str = ""
    """Each of its words occurs in instruction, caption, wish, the source's file name or id; ASCII letters in any
    case. At most 12 words count."""
    prompts: str = ""
    """The version of the prompts that the sample was made with."""
    conversation: bool | None = None
    sort: Sort = "newest"

    def __post_init__(self) -> None:
        needs = self.least is not None or self.most is not None or self.sort in ("lowest", "highest")
        if needs and not self.axis:
            raise ValueError("a range or an order of scores needs an axis; choose one")
        if self.axis and not _AXIS.fullmatch(self.axis):
            raise ValueError(f"{self.axis!r} is no axis; expected a name such as 'temporal_steadiness'")


@dataclass(frozen=True, kw_only=True)
class ListedSample:
    """One sample of a page."""

    number: int
    ordinal: int | None
    at: str
    """When its last event was written, UTC, ISO 8601."""
    sample: Sample


@dataclass(frozen=True, kw_only=True)
class ListPage:
    """Some of the samples that match, in order."""

    samples: tuple[ListedSample, ...]
    skipped: int
    """Matches before the first of these."""
    counts: Mapping[str, int]
    """What matches but for its decision, by decision."""
    matches: int


@dataclass(frozen=True, kw_only=True)
class Menus:
    """What there is to filter by: samples by reason, edit type, scope and version of the prompts; and the axes."""

    reasons: Mapping[str, int]
    edit_types: Mapping[str, int]
    scopes: Mapping[str, int]
    prompts: Mapping[str, int]
    axes: tuple[str, ...]
    conversations: int


class Neighbours(NamedTuple):
    """The ids before and after a sample in a list; None at its ends."""

    previous: str | None
    next: str | None


class Listing:
    """Reads by `rows` of the ledger; `parsed` makes a sample of its payload."""

    def __init__(self, rows: Callable[[str, Values], list[Any]], parsed: Callable[[str], Sample]) -> None:
        self._rows = rows
        self._parsed = parsed
        self._menus: tuple[int | None, Menus] | None = None

    def page(self, wanted: Filter, size: int, skip: int = 0) -> ListPage:
        """At most `size` samples of those that match, after the first `skip`."""
        counts = self._counts(wanted)
        matches = counts.get(wanted.decision, 0) if wanted.decision else sum(counts.values())
        return ListPage(samples=self._some(wanted, size, skip), skipped=skip, counts=counts, matches=matches)

    def neighbours(self, wanted: Filter, sample_id: str) -> Neighbours:
        """The samples before and after this one, which need not match itself."""
        key, direction = _order(wanted)
        mine = self._rows(
            f"SELECT {key}, number FROM {self._source()} WHERE number = (SELECT number FROM samples WHERE id = ?)",
            (sample_id,),
        )
        if not mine:
            return Neighbours(None, None)
        ahead, back = (">", "<") if direction == "ASC" else ("<", ">")
        return Neighbours(self._beside(wanted, mine[0], back), self._beside(wanted, mine[0], ahead))

    def menus(self) -> Menus:
        """What there is to filter by, in the whole ledger; looked up again once something was written."""
        reached = self._rows("SELECT max(seq) FROM events", ())[0][0]
        if self._menus is None or self._menus[0] != reached:
            self._menus = (reached, self._looked_up())
        return self._menus[1]

    def _looked_up(self) -> Menus:
        columns = "edit_type, scope, prompts, reasons, axes, conversation"
        query = f"SELECT {columns}, count(*) FROM {self._source()} GROUP BY {columns}"
        edit_types, scopes, prompts, reasons = (Counter[str]() for _ in range(4))
        axes, conversations = set[str](), 0
        for edit_type, scope, version, why, names, talk, samples in self._rows(query, ()):
            for tally, value in ((edit_types, edit_type), (scopes, scope), (prompts, version)):
                if value is not None:
                    tally[value] += samples
            reasons.update(dict.fromkeys(json.loads(why), samples))
            axes.add(names)
            conversations += talk * samples
        longest = sorted(axes, key=len, reverse=True)
        return Menus(
            reasons=dict(sorted(reasons.items())),
            edit_types=dict(sorted(edit_types.items())),
            scopes=dict(sorted(scopes.items())),
            prompts=dict(sorted(prompts.items())),
            axes=tuple(dict.fromkeys(axis for names in longest for axis in names.split())),
            conversations=conversations,
        )

    def _counts(self, wanted: Filter) -> dict[str, int]:
        test, values = where(replace(wanted, decision=""))
        query = f"SELECT decision, count(*) FROM {self._source()} WHERE {test} GROUP BY 1 ORDER BY 1"
        if not values:  # an index knows
            query = "SELECT coalesce(decision, 'pending'), count(*) FROM samples GROUP BY decision ORDER BY 1"
        return dict(self._rows(query, values))

    def _some(self, wanted: Filter, size: int, skip: int) -> tuple[ListedSample, ...]:
        (test, values), (key, direction) = where(wanted), _order(wanted)
        numbers = [
            number
            for (number,) in self._rows(
                f"SELECT number FROM {self._source()} WHERE {test} "
                f"ORDER BY {key} {direction}, number {direction} LIMIT ? OFFSET ?",
                (*values, size, skip),
            )
        ]
        last = "SELECT at FROM events WHERE sample_id = samples.id ORDER BY seq DESC LIMIT 1"
        query = (
            f"SELECT number, ordinal, coalesce(({last}), ''), payload FROM samples WHERE number IN ({_marks(numbers)})"
        )
        found = {row[0]: row for row in self._rows(query, tuple(numbers))}
        return tuple(
            ListedSample(number=number, ordinal=ordinal, at=at, sample=self._parsed(payload))
            for number, ordinal, at, payload in (found[number] for number in numbers)
        )

    def _beside(self, wanted: Filter, mine: tuple[object, int], side: str) -> str | None:
        (test, values), (key, _) = where(wanted), _order(wanted)
        direction = "ASC" if side == ">" else "DESC"
        query = (
            f"SELECT id FROM samples WHERE number = (SELECT number FROM {self._source()} WHERE {test} "
            f"AND ({key}, number) {side} (?, ?) ORDER BY {key} {direction}, number {direction} LIMIT 1)"
        )
        rows = self._rows(query, (*values, *mine))
        return str(rows[0][0]) if rows else None

    def _source(self) -> str:
        return LISTED.source(lambda query: self._rows(query, ()))


def where(wanted: Filter) -> tuple[str, Values]:
    """Trusted SQL over the columns of `listed`, and its values."""
    tests: list[tuple[str, object]] = [
        (f"{column} = ?", value)
        for column in ("decision", "edit_type", "scope", "prompts")
        if (value := getattr(wanted, column))
    ]
    if wanted.conversation is not None:
        tests.append(("conversation = ?", wanted.conversation))
    if wanted.reason:
        tests.append(("EXISTS (SELECT 1 FROM json_each(reasons) WHERE value = ?)", wanted.reason))
    if wanted.least is not None:
        tests.append((f"{_score(wanted.axis)} >= ?", wanted.least))
    if wanted.most is not None:
        tests.append((f"{_score(wanted.axis)} <= ?", wanted.most))
    for word in wanted.text.split()[:MAX_WORDS]:
        literal = re.sub(r"[\\%_]", r"\\\g<0>", word)
        tests.append((r"words LIKE ? ESCAPE '\'", f"%{literal}%"))
    return " AND ".join(["1", *(test for test, _ in tests)]), tuple(value for _, value in tests)


def _order(wanted: Filter) -> tuple[str, str]:
    key, direction = _ORDER[wanted.sort]
    return key.format(score=_score(wanted.axis)), direction


def _score(axis: str) -> str:
    """The axis's score as SQL; a filter lets only names through, so it can be nothing else."""
    return f"json_extract(scores, '$.{axis}')"


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
