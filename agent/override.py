"""A person overrules the critic: carried out at once where nobody owns the run, else left for its owner.

python -m agent.override RUN carries out what was ordered while nobody owned the run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from agent.command import CommandError, command
from agent.orders import OrderError, Override, carry_out, order_override
from agent.plain import plain
from agent.run_config import saved_config
from memory.ledger import Ledger
from memory.owner import Owner, RunIsOwned


def override_sample(run: Path, sample_id: str, override: Override, note: str) -> str:
    """Order it, carry it out if possible; returns what came of it, for the person.

    Raises:
        CommandError: there is no such sample, it cannot be moved, or the run's configuration cannot be read.
    """
    _order(run, sample_id, override, note)
    left = carry_out_open(run)
    return left or f"{sample_id} is {override}ed; the dataset follows"


def carry_out_open(run: Path) -> str:
    """Carry out every open order of samples; returns whom they are left for where somebody owns the run.

    Raises:
        CommandError: the run's configuration cannot be read.
    """
    from agent.context import build_embedder
    from agent.stores import open_stores

    config = saved_config(run)
    try:
        embedder = build_embedder(config.profile.embedder, config.profile.servers)
        with Owner(run), open_stores(run, config.profile, embedder, print) as stores:
            carry_out(stores, config)
    except RunIsOwned as owned:
        return (
            f"left for {owned.holder}, who owns the run now and carries this out as it goes; if it ends before, "
            "the next command that opens the run does"
        )
    return ""


def _order(run: Path, sample_id: str, override: Override, note: str) -> None:
    saved_config(run)
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out what is open; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m agent.override",
        description="Carry out the overrides that people ordered while nobody owned the run.",
        epilog="To give one: python -m agent.inspect RUN SAMPLE --override accept|reject --note T",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's folder")
    options = parser.parse_args(arguments)

    def carry() -> int:
        print(carry_out_open(options.run) or "nothing is left open")
        return 0

    return command(carry)


if __name__ == "__main__":
    sys.exit(main())
