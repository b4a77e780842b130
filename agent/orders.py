"""Orders that people leave in the ledger for the run's owner: a sample moved into the dataset or out of it."""

from __future__ import annotations

import asyncio
from typing import Literal

from pydantic import JsonValue

from agent.run_config import RunConfig
from agent.state import apply
from agent.stores import Stores, reconcile
from memory.ledger import Row
from memory.sample import Event, Sample

Override = Literal["accept", "reject"]
_DECISIONS: dict[Override, Literal["accepted", "rejected"]] = {"accept": "accepted", "reject": "rejected"}


class OrderError(ValueError):
    """The order cannot be carried out; the message says why."""


def check_override(sample: Sample, override: Override) -> None:
    """Refuse what cannot be done.

    Raises:
        OrderError: the sample is not decided yet, or has no edited video to accept.
    """
    if sample.stage != "done":
        raise OrderError(f"sample {sample.id!r} is still at stage {sample.stage!r}; wait until it is decided")
    parts = (sample.clip, sample.edit, sample.key_frame, sample.verdict, sample.provenance)
    if override == "accept" and not all(parts):
        raise OrderError(f"sample {sample.id!r} has no judged edited video, so it cannot be accepted")


def order_override(sample: Sample, override: Override, note: str) -> dict[str, JsonValue]:
    """The order to leave in the ledger.

    Raises:
        OrderError: see `check_override`.
    """
    check_override(sample, override)
    return {"kind": "override", "sample": sample.id, "override": override, "note": note}


def carry_out(stores: Stores, config: RunConfig) -> int:
    """Deal with every open order; returns by how many the accepted pairs have grown. Only for the run's owner.

    Call it from a thread of its own where an event loop runs.
    """
    grown = 0
    orders = stores.ledger.open_commands()
    for number, order in orders:
        row = stores.ledger.row(str(order["sample"]))
        try:
            grown += _override(stores, row, order) if row else 0
        except OrderError as error:
            stores.ledger.finish_command(number, f"refused: {error}")
        else:
            stores.ledger.finish_command(number, "done" if row else "refused: no such sample")
    if orders:
        reconcile(stores, config)
    return grown


def _override(stores: Stores, row: Row, order: dict[str, JsonValue]) -> int:
    override: Override = "accept" if order["override"] == "accept" else "reject"
    check_override(row.sample, override)
    event = Event(
        sample_id=row.sample.id,
        stage="done",
        next_stage="done",
        tool="override",
        arguments={"decision": _DECISIONS[override], "note": order["note"]},
        result={"decision": _DECISIONS[override], "reasons": [] if override == "accept" else ["person"]},
        seconds=0.0,
        attempt=row.sample.attempts.get("override", 0) + 1,
        by="person",
        note=f"{override}ed by a person: {order['note']}",
    )
    asyncio.run(stores.ledger.append(event, apply(row.sample, event), row.number))
    was, now = row.sample.decision == "accepted", override == "accept"
    return now - was
