"""A scripted model that answers every question of a run as a good one might: the happy path, with no weights at all.

It plans by the embedded planner's rules, writes what its first option is for, and finds everything well done; a test
may have it see things otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from langchain_core.messages import HumanMessage

from ditto_models.embedded.planner import RulePlanner
from tests.scripted_answers import Answer, Asked, ToolCall

CAPTION = {
    "subjects": "An orange square in front of a grey wall with green grass",
    "actions": "The square glides from left to right at an even pace",
    "setting": "A plain studio with a wall, some grass and a window",
    "light": "Soft daylight from the left",
    "camera": "A fixed camera at eye level",
}
TAILS = ("throughout", "all the way through the scene", "from the first moment to the last")
Votes = Callable[[Asked], int]


def expert(votes: Votes = lambda asked: 9) -> Callable[[Asked], Answer]:
    """The model; `votes` says what it gives where it judges."""

    def answer(asked: Asked) -> Answer:
        if asked.tools:
            return planned(asked)
        if asked.schema is None:
            return "Hello."
        fields = asked.schema.get("properties", {})
        if "subjects" in fields:
            return json.dumps(CAPTION)
        if "instruction" in fields:
            return json.dumps(written(asked, fields))
        if "score" in fields:
            return json.dumps({"reason": "As asked, and nothing else changed.", "score": votes(asked)})
        return json.dumps(mended(fields))

    return answer


def planned(asked: Asked) -> ToolCall:
    """What the embedded planner would call."""
    state = asked.text.rpartition("<state>")[2]
    [call] = RulePlanner().invoke([HumanMessage(f"<state>{state}")]).tool_calls
    return ToolCall(call["name"], json.dumps(call["args"]))


OPEN = {
    "global": [
        "Turn the whole scene into a soft {} picture with the light of early evening.",
        "Make all of the picture look {} and calm from its first moment on.",
    ],
    "local": [
        "Make the orange square before the grey wall look {} from the first moment on.",
        "Give the orange square that glides to the right a much more {} look.",
    ],
    "where": ["Put a small {} ball on the grass in front of the grey wall."],
}
"""What it writes for editors that follow words, 11 to 15 words long, which fits every length that is aimed for."""
COLOURS = ("golden", "crimson", "emerald", "violet", "turquoise", "amber", "ivory", "indigo")


def written(asked: Asked, fields: Mapping[str, Any]) -> dict[str, str]:
    """An example of an option in a few more words, another one each time it is sent back; open words where there are
    no examples."""
    told = asked.text.rpartition("<task>")[2]
    data, _, sent_back = told.partition("</task>")
    task = json.loads(data)
    examples = [(letter, words) for letter, option in task["options"].items() for words in option["for_example"]]
    texts = [(letter, f"{words.rstrip('.')} {tail}.") for tail in TAILS for letter, words in examples]
    if not examples:
        kind = "where" if task["edit_type"] == "add" else task["scope"]
        texts = [("A", words.format(colour)) for colour in COLOURS for words in OPEN[kind]]
    fresh = [(letter, text) for letter, text in texts if text not in sent_back and text not in task["avoid"]]
    letter, text = (fresh or texts)[0]
    answer = {"plan": "The first that is left.", "option": letter, "instruction": text}
    target = "on the grass" if task["edit_type"] == "add" else "the orange square"
    seen = {"target": target, "result": "An orange square glides past a grey wall in golden light."}
    return answer | {name: words for name, words in seen.items() if name in fields}


def mended(fields: Mapping[str, Any]) -> dict[str, str]:
    """The first axis that failed, edited again."""
    axis = fields["axis"]
    first = axis["enum"][0] if "enum" in axis else axis["const"]
    return {"axis": first, "stage": "key_frame", "change": "make the change of light plainer on the wall"}
