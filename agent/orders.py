"""Orders that people leave in the ledger for the run's owner: a sample moved into the dataset or out of it.

Those of training stand in train_order.py, those of conversations in conversation/orders.py, pauses in pause.py.
"""

from __future__ import annotations

import asyncio
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from agent.conversation.handing_over import KIND as HAND_OVER
from agent.conversation.orders import KIND as TALK
from agent.pause import KINDS as PAUSE
from agent.run_config import RunConfig
from agent.state import apply
from agent.stores import Stores, reconcile_dataset
from agent.training.order import KIND as TRAIN
from memory.sample import Event, Sample

Override = Literal["accept", "reject"]
_DECISIONS: dict[Override, Literal["accepted", "rejected"]] = {"accept": "accepted", "reject": "rejected"}


class OrderError(ValueError):
    """The order cannot be carried out; the message says why."""


def check_override(sample: Sample, override: Override) -> None:
    """Refuse what cannot be done.

    Raises:
        OrderError: the sample is not decided yet, has no edited video to accept, its files were given up, or it is of a
            conversation whose person did not give it, or whose video fails a gate.
    """
    if sample.stage != "done":
        raise OrderError(f"sample {sample.id!r} is still at stage {sample.stage!r}; wait until it is decided")
    if sample.conversation and not sample.consent:
        raise OrderError(
            f"sample {sample.id!r} is of a conversation whose person did not give it to the dataset; nobody else can"
        )
    if sample.conversation and override == "accept" and sample.verdict and sample.verdict.rule == "gate":
        failed = f"its video fails {', '.join(sample.verdict.reasons)}, which nobody can waive"
        raise OrderError(f"sample {sample.id!r} cannot be accepted: {failed}")
    parts = (sample.clip, sample.edit, sample.key_frame, sample.verdict, sample.provenance)
    if override == "accept" and not all(parts):
        raise OrderError(f"sample {sample.id!r} has no judged edited video, so it cannot be accepted")
    if override == "accept" and sample.artifacts != "kept":
        raise OrderError(
            f"sample {sample.id!r} cannot be accepted: its files were {sample.artifacts} as retention.rejected asks; "
            "with retention.rejected=kept those of later samples stay"
        )


class Order(BaseModel):
    """One order, as the ledger keeps it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["override"] = "override"
    sample: str
    override: Override
    note: str


def order_override(sample: Sample, override: Override, note: str) -> dict[str, JsonValue]:
    """The order to leave in the ledger.

    Raises:
        OrderError: see `check_override`.
    """
    check_override(sample, override)
    return Order(sample=sample.id, override=override, note=note).model_dump()


def carry_out(stores: Stores, config: RunConfig) -> int:
    """Deal with every open order of samples; returns by how many the accepted pairs have grown.

    Only for the run's owner.

    Call it from a thread of its own where an event loop runs. Other samples may go on meanwhile, but none may be
    added to the dataset.
    """
    grown = 0
    others = (TRAIN, TALK, HAND_OVER, *PAUSE)
    orders = [
        (number, payload) for number, payload in stores.ledger.open_commands() if payload.get("kind") not in others
    ]
    for number, payload in orders:
        try:
            grown += _override(stores, Order.model_validate(payload))
        except (OrderError, ValidationError) as error:
            stores.ledger.finish_command(number, f"refused: {error}")
        else:
            stores.ledger.finish_command(number, "done")
    if orders:
        reconcile_dataset(stores, config)
    return grown


def _override(stores: Stores, order: Order) -> int:
    row = stores.ledger.row(order.sample)
    if row is None:
        raise OrderError(f"there is no sample {order.sample!r}")
    check_override(row.sample, order.override)
    decision = _DECISIONS[order.override]
    event = Event(
        sample_id=row.sample.id,
        stage="done",
        next_stage="done",
        tool="override",
        arguments={"decision": decision, "note": order.note},
        result={"decision": decision, "reasons": [] if order.override == "accept" else ["person"]},
        seconds=0.0,
        attempt=row.sample.attempts.get("override", 0) + 1,
        by="person",
        note=f"{decision} by a person: {order.note}",
    )
    asyncio.run(stores.ledger.append(event, apply(row.sample, event), row.number))
    stores.memory.hold(row.sample.id, row.sample.instruction if order.override == "accept" else None)
    return (order.override == "accept") - (row.sample.decision == "accepted")
