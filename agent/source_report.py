"""What became of a run's sources, in a few words for people and in counts for scripts."""

from __future__ import annotations

from collections import Counter

from memory.ledger import Ledger
from memory.source_table import NOT_LOOKED_AT


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


NO_VIDEO = "none: the folder holds no video"
