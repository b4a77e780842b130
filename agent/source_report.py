"""What became of a run's sources, in a few words for people and in counts for scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from memory.ledger import Ledger
from memory.source_table import NOT_LOOKED_AT, Dropped

NO_VIDEO = "none: the folder holds no video"


def file_counts(ledger: Ledger) -> Counter[str]:
    """Files by what became of them: taken, not looked at yet, or the kind of reason they were rejected for."""
    return Counter(
        source.reason.split(":")[0]
        if source.outcome == "rejected"
        else NOT_LOOKED_AT
        if source.reason == NOT_LOOKED_AT
        else "taken"
        for source in ledger.sources.fates()
    )


def dropped_counts(ledger: Ledger) -> Counter[str]:
    """Windows that became no clips, by the kind of reason."""
    return Counter(one.reason.split(":")[0] for one in ledger.sources.dropped())


def told(counts: Counter[str], nothing: str) -> str:
    """The counts in one line, the most frequent first."""
    return ", ".join(f"{kind} {count}" for kind, count in counts.most_common()) or nothing


def source_lines(ledger: Ledger) -> Iterator[str]:
    """Every source with its fate, and under it the windows that were dropped, a line each."""
    dropped: dict[str, list[Dropped]] = {}
    for one in ledger.sources.dropped():
        dropped.setdefault(one.uri, []).append(one)
    for source in ledger.sources.fates():
        yield f"{source.uri}: {source.outcome} {source.reason}".rstrip()
        for one in dropped.get(source.uri, []):
            yield f"    {one.start_seconds:.2f} s to {one.end_seconds:.2f} s: {one.reason}"
