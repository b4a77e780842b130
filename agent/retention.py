"""Retention: what stays of the artifacts of a campaign's samples that did not become pairs; their events always stay.

First an event says that a sample's artifacts are given up, then they are removed: a kill in between leaves files too
many, which the next opening removes, and never a trace that promises what is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from agent.plain import plain
from agent.state import apply
from agent.stores import Stores
from ditto_models.video import DISK_ERRORS, VideoError
from memory.ledger import Row
from memory.sample import Event, Kept, Sample

_GIVEN_UP = "decision IN ('rejected', 'failed', 'unscored') AND NOT json_extract(payload, '$.conversation')"
_KEPT = "COALESCE(json_extract(payload, '$.artifacts'), 'kept')"
_MORE: dict[Kept, tuple[Kept, ...]] = {"kept": (), "thinned": ("kept",), "dropped": ("kept", "thinned")}
"""What is more than the profile wants kept."""
_TOOLS = {"thinned": "thin", "dropped": "drop"}


class Retention:
    """Gives up artifacts of a run as its profile asks. Only for the run's owner."""

    def __init__(self, keep: Kept, stores: Stores) -> None:
        self._keep = keep
        self._stores = stores
        self._queue: list[Row] = []

    async def give_up(self, sample_id: str) -> None:
        """Record that a sample's artifacts are given up, and queue them for `remove`; nothing where they are kept."""
        row = self._stores.ledger.row(sample_id)
        if row is None or not _wants(row.sample, self._keep):
            return
        event = await asyncio.to_thread(self._event, row.sample)
        await self._stores.ledger.append(event, apply(row.sample, event), row.number)
        self._queue.append(row)

    def remove(self, quiet_since: float) -> None:
        """Remove what is queued and nobody needs; the rest stays queued.

        `quiet_since`: when the oldest sample now under way began (`ArtifactStore.remove`).
        """
        self._queue = [row for row in self._queue if not self._remove(row, quiet_since)]
        self._stores.media.artifacts.forget_puts(quiet_since)

    def catch_up(self, say: Callable[[str], None]) -> None:
        """Before anything else runs: give up what an earlier session left, and remove what a kill left."""
        if self._keep == "kept":
            return
        ledger = self._stores.ledger
        has_more = ", ".join(f"'{kept}'" for kept in _MORE[self._keep])
        waiting = [row.sample.id for row in ledger.rows(f"{_GIVEN_UP} AND {_KEPT} IN ({has_more})")]
        if waiting:
            say(f"retention.rejected={self._keep}: giving up the artifacts of {len(waiting)} earlier samples")
        left_over = ledger.lately(tuple(_TOOLS.values()))
        for sample_id in waiting:
            asyncio.run(self.give_up(sample_id))
            self.remove(float("inf"))
        self._queue += [row for sample_id in left_over if (row := ledger.row(sample_id))]
        self.remove(float("inf"))
        self._queue.clear()

    def _event(self, sample: Sample) -> Event:
        keep, sheet, note = self._keep, "", "artifacts dropped"
        if keep == "thinned":
            try:
                sheet, note = self._sheet(sample), "artifacts thinned to a contact sheet"
            except (OSError, ValueError, VideoError) as error:
                if isinstance(error, OSError) and error.errno in DISK_ERRORS:
                    raise
                keep, note = "dropped", plain(f"artifacts dropped; no contact sheet could be made: {error}")
        return Event(
            sample_id=sample.id,
            stage=sample.stage,
            next_stage=sample.stage,
            tool=_TOOLS[keep],
            arguments={"retention": self._keep},
            result={"artifacts": keep, "sheet": sheet},
            seconds=0.0,
            attempt=sample.attempts.get(_TOOLS[keep], 0) + 1,
            by="policy",
            note=f"{note}, as retention.rejected={self._keep} asks",
        )

    def _sheet(self, sample: Sample) -> str:
        from tools.sample_sheet import sample_sheet

        return self._stores.media.artifacts.put(sample_sheet(sample, self._stores.media), ".png")

    def _remove(self, row: Row, quiet_since: float) -> bool:
        """Remove a sample's artifacts but its sheet; whether each is gone, or held by others for good or for now."""
        ledger, artifacts = self._stores.ledger, self._stores.media.artifacts
        now = ledger.row(row.sample.id)
        sheet = now.sample.sheet if now else ""
        gone = [
            artifacts.remove(reference, quiet_since, lambda reference: ledger.is_held(reference, row.number))
            or ledger.is_held(reference, row.number)
            for reference in ledger.artifacts(row.sample.id)
            if reference != sheet
        ]
        return all(gone)


def _wants(sample: Sample, keep: Kept) -> bool:
    """What people made in conversations is theirs: it stays, whatever became of it."""
    if sample.conversation:
        return False
    return sample.decision in ("rejected", "failed", "unscored") and sample.artifacts in _MORE[keep]
