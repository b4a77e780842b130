"""Ways to damage a ledger, and what it says when it is whole again."""

import asyncio
import random
import sqlite3
from contextlib import closing
from pathlib import Path

from memory.backup import Backup
from memory.ledger import SCHEMA, Ledger
from memory.sample import Sample
from tests.test_memory import event

PAGE = 4096


def overwrite_the_middle(ledger: Path) -> None:
    """Every other page but the first."""
    with ledger.open("r+b") as file:
        for page in range(2, ledger.stat().st_size // PAGE, 2):
            file.seek(page * PAGE)
            file.write(random.Random(page).randbytes(PAGE))


def overwrite_the_header(ledger: Path) -> None:
    with ledger.open("r+b") as file:
        file.write(b"\x55" * 200)


def cut_in_half(ledger: Path) -> None:
    with ledger.open("r+b") as file:
        file.truncate(ledger.stat().st_size // 2)


def empty(ledger: Path) -> None:
    ledger.write_bytes(b"")


def empty_and_look(ledger: Path) -> None:
    """An empty file is a database to SQLite; somebody has made tables in it."""
    ledger.write_bytes(b"")
    with closing(sqlite3.connect(ledger)) as connection:
        connection.executescript(SCHEMA)


def delete(ledger: Path) -> None:
    ledger.unlink()


def garble_a_payload(ledger: Path) -> None:
    """Sound pages, but a fold that is no text."""
    data = ledger.read_bytes()
    ledger.write_bytes(data.replace(b'"stage":"done"', b'"stage":"\xff\xfe\x00"'))


DAMAGES = [overwrite_the_middle, overwrite_the_header, cut_in_half, empty, empty_and_look, delete, garble_a_payload]


def content(path: Path) -> list[str]:
    """Everything a ledger says, but how far its tail has come."""
    with closing(sqlite3.connect(path)) as connection:
        return [line for line in connection.iterdump() if 'INTO "tail"' not in line]


async def write_some(ledger: Ledger, numbers: range) -> None:
    await asyncio.gather(*(ledger.append(event(f"s{n}"), Sample(id=f"s{n}", seed=n), n) for n in numbers))


def owner_opens(path: Path) -> tuple[str | None, list[str]]:
    said: list[str] = []
    kept = Backup(path, SCHEMA)
    mended = kept.mend()
    with closing(Ledger(path)), kept.kept(said.append):
        return mended, said
