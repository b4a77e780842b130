"""What lists of samples are filtered and sorted by: a narrow table beside `samples`, kept true as projection.py says.

The fold of a sample is some kilobytes of JSON; to look through a hundred thousand of them takes seconds, through this
table a tenth of one. To fill it takes some 60 us a sample, once.
"""

from __future__ import annotations

from memory.projection import Projection


def _there(*paths: str) -> tuple[str, ...]:
    return tuple(f"{_TEXT.format(path)} IS NOT NULL" for path in paths)


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
_HAD = {  # the later, the further; what a stage was done again for is gone from the fold, but was called
    8: ("decision = 'accepted'",),
    7: _there("verdict", "attempts.enhance_video", "attempts.retry", "attempts.accept"),
    6: _there("edit", "attempts.critique_video"),
    5: (f"{_TEXT.format('key_frame_verdict.decision')} = 'accepted'", *_there("attempts.generate_video")),
    4: _there("key_frame", "attempts.critique_key_frame"),
    3: _there("instruction"),
    2: _there("description"),
    1: _there("clip"),
}
_REACHED = " ".join(f"WHEN {' OR '.join(tests)} THEN {step}" for step, tests in _HAD.items())
PROJECTION = f"""SELECT number, coalesce(decision, 'pending') AS decision,
    coalesce({_TEXT.format("conversation")}, 0) AS conversation,
    edit_type, {_TEXT.format("instruction.scope")} AS scope,
    coalesce((SELECT sum(value) FROM json_each({_TEXT.format("attempts")})), 0) AS attempts,
    coalesce({_TEXT.format("model_seconds")}, 0.0) AS model_seconds,
    {_TEXT.format("provenance.prompts_hash")} AS prompts, coalesce({_TEXT.format("reasons")}, '[]') AS reasons,
    coalesce((SELECT group_concat(key, ' ') FROM json_each({_JUDGED})), '') AS axes,
    coalesce((SELECT group_concat(key, ' ') FROM json_each({_JUDGED}) WHERE json_extract(value, '$.passed') = 0), '')
    AS failed, coalesce(clip_id, '') AS clip_id, coalesce({_TEXT.format("instruction.text")}, '') AS instruction,
    (SELECT json_group_object(key, json_extract(value, '$.value')) FROM json_each({_JUDGED})) AS scores,
    {_WORDS} AS words, CASE {_REACHED} ELSE 0 END AS reached FROM samples"""
"""Scores by axis with 15 digits, of `axes`; `failed` are those that did not pass; words are all that text is looked for
in; how far it came: 1 clip, 2 described, 3 instructed, 4 key frame edited, 5 key frame passed, 6 video generated,
7 judged, 8 accepted."""
_TABLE = """CREATE TABLE listed (number INTEGER PRIMARY KEY, decision TEXT NOT NULL, conversation INTEGER NOT NULL,
    edit_type TEXT, scope TEXT, attempts INTEGER NOT NULL, model_seconds REAL NOT NULL, prompts TEXT,
    reasons TEXT NOT NULL, axes TEXT NOT NULL, failed TEXT NOT NULL, clip_id TEXT NOT NULL, instruction TEXT NOT NULL,
    scores TEXT NOT NULL, words TEXT NOT NULL, reached INTEGER NOT NULL)"""
# The upsert that fires a trigger imposes its own rule for conflicts, so nothing may be left to be replaced.
_TRIGGERS = {
    f"listed_{what.lower()}": f"CREATE TRIGGER listed_{what.lower()} AFTER {what} ON samples BEGIN "
    f"DELETE FROM listed WHERE number = NEW.number; INSERT INTO listed {PROJECTION} WHERE number = NEW.number; END"
    for what in ("INSERT", "UPDATE")
}
LISTED = Projection(name="listed", table=_TABLE, query=PROJECTION, triggers=_TRIGGERS)
