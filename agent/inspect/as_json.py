"""What `agent.inspect --json` says: a contract, keys are added and never renamed."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from agent.diversity import diversity
from agent.inspect.jobs import jobs_json
from memory.ledger import Ledger, Row
from memory.sample import Event, Sample


def list_json(ledger: Ledger, rows: Sequence[Row]) -> dict[str, JsonValue]:
    """The contract's JSON of a run. Its diversity is that of the accepted samples listed; what needs models or
    pictures is null here and stands in the dataset's card."""
    return {
        "counts": dict(ledger.counts()),
        "samples": [record(row.sample) for row in rows],
        "sources": sources_json(ledger),
        "dropped": dropped_json(ledger),
        **jobs_json(ledger),
        "diversity": diversity([row.sample for row in rows if row.sample.decision == "accepted"]).record(),
    }


def sources_json(ledger: Ledger) -> list[JsonValue]:
    """Every source file with its fate."""
    return [
        {"uri": source.uri, "outcome": source.outcome, "reason": source.reason} for source in ledger.sources.fates()
    ]


def dropped_json(ledger: Ledger) -> list[JsonValue]:
    """Every window that became no clip."""
    return [
        {
            "uri": one.uri,
            "start_seconds": round(one.start_seconds, 3),
            "end_seconds": round(one.end_seconds, 3),
            "reason": one.reason,
        }
        for one in ledger.sources.dropped()
    ]


def record(sample: Sample) -> dict[str, JsonValue]:
    """One sample as the list has it."""
    instruction = sample.instruction
    return {
        "id": sample.id,
        "decision": sample.decision or "pending",
        "reasons": list(sample.reasons),
        "edit_type": instruction.edit_type if instruction else None,
        "scope": instruction.scope if instruction else None,
        "instruction": instruction.text if instruction else None,
        "attempts": sum(sample.attempts.values()),
        "model_seconds": round(sample.model_seconds, 3),
        "source": sample.clip.uri if sample.clip else None,
        "conversation": sample.conversation,
        "stage": sample.stage,
    }


def sample_json(sample: Sample, events: Sequence[Event]) -> dict[str, JsonValue]:
    """The contract's JSON of one sample: the same record, its events and its verdict."""
    verdict = sample.verdict or sample.key_frame_verdict
    return record(sample) | {
        "events": [event.model_dump(mode="json", exclude={"sample_id"}) for event in events],
        "verdict": verdict.model_dump(mode="json") if verdict else None,
    }
