"""A person overrules the critic: carried out at once where nobody owns the run, else left for its owner."""

from __future__ import annotations

from pathlib import Path

from agent.command import CommandError
from agent.context import build_embedder
from agent.orders import OrderError, Override, carry_out, order_override
from agent.plain import plain
from agent.run_config import saved_config
from agent.stores import open_stores
from memory.ledger import Ledger
from memory.owner import Owner, RunIsOwned


def override_sample(run: Path, sample_id: str, override: Override, note: str) -> str:
    """Order it, carry it out if possible; returns what came of it, for the person.

    Raises:
        CommandError: there is no such sample, it cannot be moved, or the run's configuration cannot be read.
    """
    config = saved_config(run)
    _order(run, sample_id, override, note)
    try:
        embedder = build_embedder(config.profile.embedder, config.profile.servers)
        with Owner(run), open_stores(run, config.profile, embedder, print) as stores:
            carry_out(stores, config)
    except RunIsOwned as owned:
        return (
            f"left for {owned.holder}, who owns the run now and carries this out as it goes; if it ends before, "
            "the next command that opens the run does"
        )
    return f"{sample_id} is {override}ed; the dataset follows"


def _order(run: Path, sample_id: str, override: Override, note: str) -> None:
    ledger = Ledger(run / "ledger.sqlite")
    try:
        row = ledger.row(sample_id)
        if row is None:
            raise CommandError(f"no sample {sample_id!r} in {str(run)!r}; agent.inspect {run} lists them")
        ledger.add_command(order_override(row.sample, override, plain(note)))
    except OrderError as error:
        raise CommandError(str(error)) from error
    finally:
        ledger.close()
