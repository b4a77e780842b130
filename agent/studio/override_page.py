"""A person overrules the critic from the page of a sample: the order is left in the ledger for the run's owner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, Form
from fastapi import Path as FromPath
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from agent.orders import OrderError, Override, check_override, order_override
from agent.plain import plain
from agent.studio.carrying_out import CarryingOut
from agent.studio.list_query import asked, query_of
from agent.studio.runs import StudioRun
from memory.owner import holder
from memory.sample import Sample

if TYPE_CHECKING:
    from agent.studio.app import Studio

MOST_NOTE = 500
DONE = "done"


@dataclass(frozen=True, kw_only=True)
class Ways:
    """What a person can order of a sample now: of each override why not, or nothing."""

    accept: str
    reject: str
    pending: int
    """The number of the last order while nobody has carried it out, 0 else."""
    refused: str
    """Why the last order was refused."""


def orders_of(studio: Studio, run: StudioRun, sample: Sample) -> Ways | None:
    """What can be ordered; None where nobody may, or it is not decided yet."""
    if studio.read_only or sample.stage != "done":
        return None
    last = run.ledger.last_command(sample.id, "override")
    outcome = last.outcome if last else None
    return Ways(
        accept=_problem(sample, "accept"),
        reject=_problem(sample, "reject"),
        pending=last.number if last and outcome is None else 0,
        refused=plain(outcome.removeprefix("refused: ")) if outcome and outcome != DONE else "",
    )


def override_routes(studio: Studio) -> APIRouter:
    """The addresses of orders."""
    router = APIRouter()
    carrying = {key: CarryingOut(run.folder) for key, run in studio.runs.items()}

    @router.post("/runs/{key}/samples/{sample_id}/override")
    def override(
        key: str,
        sample_id: str,
        override: Annotated[Override, Form()],
        note: Annotated[str, Form(max_length=MOST_NOTE)] = "",
        back: Annotated[str, Form(max_length=2000)] = "",
    ) -> Response:
        studio.check_writable()
        run = studio.run(key)
        row = run.ledger.row(sample_id)
        if row is None:
            raise HTTPException(404, f"there is no sample {sample_id!r} in this run")
        if not note.strip():
            raise HTTPException(422, "an override needs a reason; say why in a few words")
        try:
            run.ledger.add_command(order_override(row.sample, override, plain(" ".join(note.split()))))
        except OrderError as error:
            raise HTTPException(409, str(error)) from error
        carrying[key].see_to()
        return RedirectResponse(f"/runs/{key}/samples/{sample_id}{_list_query(back)}", 303)

    @router.get("/runs/{key}/samples/{sample_id}/order/{number}")
    def order(key: str, sample_id: str, number: Annotated[int, FromPath(ge=1)]) -> Response:
        run = studio.run(key)
        last = run.ledger.last_command(sample_id, "override")
        if last is None or number > last.number:
            raise HTTPException(404, f"nobody has given order {number} about sample {sample_id!r}")
        outcome = run.ledger.command(number)
        if last.outcome is None and not studio.read_only:
            carrying[key].see_to()
        return studio.pages.response(
            "order.html.j2",
            run=run,
            sample_id=sample_id,
            number=number,
            outcome=outcome,
            holder=holder(run.folder),
            failed=carrying[key].failed(),
        )

    return router


def _problem(sample: Sample, override: Override) -> str:
    try:
        check_override(sample, override)
    except OrderError as error:
        return str(error)
    return ""


def _list_query(back: str) -> str:
    """The list that the person is in, read and written anew, so that no form can lead elsewhere."""
    return query_of(asked(dict(parse_qsl(back.removeprefix("?")))).filter)
