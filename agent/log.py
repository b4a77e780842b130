"""RUN/log.jsonl: one JSON object a line, by structlog."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from memory.sample import Event, Sample


@contextmanager
def logging_to(path: Path) -> Iterator[structlog.stdlib.BoundLogger]:
    """A logger that appends to the file while the block lasts."""
    with path.open("a", encoding="utf-8", buffering=1) as file:
        yield structlog.wrap_logger(
            structlog.WriteLogger(file),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )


def log_event(log: structlog.stdlib.BoundLogger, event: Event, sample: Sample) -> None:
    """One line for one step."""
    log.info(
        event.tool,
        sample=sample.id,
        seq=event.seq,
        stage=event.stage,
        next_stage=event.next_stage,
        by=event.by,
        seconds=round(event.seconds, 4),
        note=event.note,
        error=event.error,
        decision=sample.decision,
    )
