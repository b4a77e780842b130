"""What lists of samples are filtered and sorted by: a narrow table beside `samples`, which SQLite itself keeps true.

The fold of a sample is some kilobytes of JSON; to look through a hundred thousand of them takes seconds, through this
table a tenth of one. Triggers fill it in the transaction that writes the sample, so it cannot disagree with it, adds
nothing to the backup's tail, and comes back when the tail is replayed. It holds nothing that `samples` does not: a
ledger that has none, or one of another making, gets it anew when somebody who may write opens it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

_TEXT = "json_extract(payload, '$.{}')"
_URI = _TEXT.format("clip.uri")
_NAME = f"replace({_URI}, rtrim({_URI}, replace({_URI}, '/', '')), '')"
"""What follows the last slash: without slashes it is all characters that may be trimmed from the end."""
_JUDGED = f"coalesce({_TEXT.format('verdict.scores')}, {_TEXT.format('key_frame_verdict.scores')}, '{{}}')"
"""Of the video, or of the key frame where no video was judged, as agent.inspect has it."""
_WORDS = " || char(10) || ".join(
    f"coalesce({part}, '')"
    for part in ("id", *map(_TEXT.format, ("instruction.text", "description.caption", "wish")), _NAME)
)
PROJECTION = f"""SELECT number, coalesce(decision, 'pending') AS decision,
    coalesce({_TEXT.format("conversation")}, 0) AS conversation,
    edit_type, {_TEXT.format("instruction.scope")} AS scope,
    coalesce((SELECT sum(value) FROM json_each({_TEXT.format("attempts")})), 0) AS attempts,
    coalesce({_TEXT.format("model_seconds")}, 0.0) AS model_seconds,
    {_TEXT.format("provenance.prompts_hash")} AS prompts, coalesce({_TEXT.format("reasons")}, '[]') AS reasons,
    coalesce((SELECT group_concat(key, ' ') FROM json_each({_JUDGED})), '') AS axes,
    (SELECT json_group_object(key, json_extract(value, '$.value')) FROM json_each({_JUDGED})) AS scores,
    {_WORDS} AS words FROM samples"""
"""Scores by axis with 15 digits; words are all that text is looked for in."""
_TABLE = """CREATE TABLE listed (number INTEGER PRIMARY KEY, decision TEXT NOT NULL, conversation INTEGER NOT NULL,
    edit_type TEXT, scope TEXT, attempts INTEGER NOT NULL, model_seconds REAL NOT NULL, prompts TEXT,
    reasons TEXT NOT NULL, axes TEXT NOT NULL, scores TEXT NOT NULL, words TEXT NOT NULL)"""
# The upsert that fires a trigger imposes its own rule for conflicts, so nothing may be left to be replaced.
_TRIGGERS = {
    f"listed_{what.lower()}": f"CREATE TRIGGER listed_{what.lower()} AFTER {what} ON samples BEGIN "
    f"DELETE FROM listed WHERE number = NEW.number; INSERT INTO listed {PROJECTION} WHERE number = NEW.number; END"
    for what in ("INSERT", "UPDATE")
}
_MADE = {"listed": _TABLE, **_TRIGGERS}
_KNOWN = f"SELECT name, sql FROM sqlite_schema WHERE name IN ({', '.join(map(repr, _MADE))})"


def prepare(connection: sqlite3.Connection) -> None:
    """Make the table and what keeps it true, and fill it, unless it is there: some 60 us a sample, once.

    Raises:
        sqlite3.Error: nothing was changed.
    """
    if dict(connection.execute(_KNOWN)) == _MADE:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for name in _TRIGGERS:
            connection.execute(f"DROP TRIGGER IF EXISTS {name}")
        connection.execute("DROP TABLE IF EXISTS listed")
        for statement in (_TABLE, f"INSERT INTO listed {PROJECTION}", *_TRIGGERS.values()):
            connection.execute(statement)
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


def source(rows: Callable[[str], list[Any]]) -> str:
    """What to select from: the table, or what it would hold where a ledger that is only read has none."""
    return "listed" if dict(rows(_KNOWN)) == _MADE else f"({PROJECTION})"
