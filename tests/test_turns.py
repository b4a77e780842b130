"""A conversation's events folded into the turns that a person reads."""

from pydantic import JsonValue

from agent.conversation.turns import turns
from memory.sample import AxisVerdict, Clip, Description, Edit, Event, Instruction, KeyFrame, Proposal, Verdict

PASSED = Verdict(
    decision="accepted",
    reasons=[],
    rule="all_passed",
    scores={"safety": AxisVerdict(value=0.9, threshold=0.4, passed=True, reason="")},
)
CLIP = Clip(clip_id="c", uri="u", sha256="0", start_seconds=0, end_seconds=1, fps=8, frames=9, width=8, height=8)


def offer(number: int, previewed: bool) -> dict[str, JsonValue]:
    key_frame = KeyFrame(index=3, source="a.png", candidates=["b.png"], strengths=[0.8], chosen="b.png")
    return Proposal(
        number=number,
        instruction=Instruction(text=f"Make it snow {number}", edit_type="weather", scope="global"),
        strength=0.8,
        key_frame=key_frame if previewed else None,
        verdict=PASSED if previewed else None,
    ).model_dump(mode="json")


def happened(*steps: tuple[str, dict[str, object]], error: str = "") -> list[Event]:
    by_person = ("begin", "say", "choose", "frame", "approve", "keep", "close", "cancel", "override")
    return [
        Event.model_validate(
            {
                "sample_id": "talk-0",
                "seq": 10 * (place + 1),
                "at": f"2026-01-01T00:00:0{place}+00:00",
                "stage": "new",
                "next_stage": "new",
                "tool": tool,
                "arguments": {},
                "result": result,
                "seconds": 1.5,
                "attempt": 1,
                "by": "person" if tool in by_person else "policy",
                "note": f"{tool} went well",
                "error": error or None if place + 1 == len(steps) else None,
            }
        )
        for place, (tool, result) in enumerate(steps)
    ]


BEGUN: list[tuple[str, dict[str, object]]] = [
    (
        "begin",
        {
            "given": {"clip_number": 4},
            "wish": "snow",
            "key_frame_index": None,
            "talk": [{"by": "person", "words": "snow"}],
        },
    ),
    ("sample_clip", {"clip": CLIP.model_dump(mode="json")}),
    ("describe_clip", {"description": Description(caption="a field", facts={}, masks="").model_dump(mode="json")}),
    (
        "propose_edits",
        {
            "proposals": [offer(1, False)],
            "talk": [{"by": "person", "words": "snow"}, {"by": "agent", "words": "I can do this"}],
        },
    ),
]


def test_what_the_agent_did_between_two_moves_is_one_turn() -> None:
    first, answer = turns(happened(*BEGUN, ("preview_edits", {"proposals": [offer(1, True)]})))
    assert (first.by, first.call, first.words, first.seq) == ("person", "begin", "snow", 10)
    assert first.given is not None
    assert (first.given.clip_number, first.clip) == (4, CLIP)
    assert (answer.by, answer.words, answer.caption, answer.seq) == ("agent", "I can do this", "a field", 50)
    [shown] = answer.proposals
    assert (shown.number, shown.verdict) == (1, PASSED)
    assert answer.seconds == 6.0
    assert answer.notes[-1] == "preview_edits went well"


def test_an_error_ends_a_turn_and_the_next_one_begins_without_it() -> None:
    events = happened(*BEGUN, ("preview_edits", {}), error="out of memory")
    assert turns(events)[-1].error == "out of memory"
    again = happened(*BEGUN, ("preview_edits", {}), ("frame", {"key_frame_index": 0}), ("preview_edits", {}))
    person, agent = turns(again)[-2:]
    assert (person.call, person.frame_index, agent.error) == ("frame", 0, "")


def test_a_video_its_verdict_and_the_ending_are_told() -> None:
    video = Edit(video="v.mp4", route="structure", strength=1.0)
    events = happened(
        ("choose", {"focus": 2}),
        ("approve", {"focus": 2, "approved": 2, "edit": None, "verdict": None}),
        ("generate_video", {"edit": video.model_dump(mode="json")}),
        ("critique_video", {"verdict": PASSED.model_dump(mode="json")}),
        ("keep", {"consent": True}),
        ("accept", {"decision": "accepted", "reasons": []}),
        ("thin", {"artifacts": "thinned"}),
        ("override", {"decision": "rejected", "reasons": ["person"]}),
    )
    told = turns(events)
    assert [(turn.by, turn.call) for turn in told] == [
        ("person", "choose"),
        ("person", "approve"),
        ("agent", ""),
        ("person", "keep"),
        ("agent", ""),
        ("person", "override"),
    ]
    assert (told[0].chosen, told[0].approved, told[1].approved, told[1].chosen) == (2, 0, 2, 0)
    assert (told[2].edit, told[2].verdict) == (video, PASSED)
    assert (told[4].decision, told[5].decision, told[5].reasons) == ("accepted", "rejected", ("person",))
