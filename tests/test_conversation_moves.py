"""What a person can do in a conversation, as a pure table."""

import pytest
from pydantic import ValidationError

from agent.conversation.moves import MOST_TURNS, Move, MoveError, moved
from memory.sample import AxisVerdict, Clip, Description, Edit, Instruction, KeyFrame, Proposal, Sample, Stage, Verdict
from memory.talk import Given, Said


def verdict(decision: str = "accepted", rule: str = "all_passed") -> Verdict:
    score = AxisVerdict(value=0.5, threshold=0.4, passed=True, reason="")
    reasons = [] if decision == "accepted" else ["safety"]
    return Verdict.model_validate({"decision": decision, "reasons": reasons, "rule": rule, "scores": {"safety": score}})


def offer(number: int, preview: Verdict | None) -> Proposal:
    key_frame = KeyFrame(index=3, source="a.png", candidates=["b.png"], strengths=[0.8], chosen="b.png")
    return Proposal(
        number=number,
        instruction=Instruction(text=f"Make it snow {number}", edit_type="weather", scope="global"),
        strength=0.8,
        key_frame=key_frame if preview else None,
        verdict=preview,
    )


def talk(stage: Stage = "awaiting_person", *proposals: Proposal) -> Sample:
    clip = Clip(clip_id="c", uri="u", sha256="0", start_seconds=0, end_seconds=1, fps=8, frames=9, width=8, height=8)
    about = Description(caption="a field", facts={}, masks="")
    return Sample(
        id="talk", seed=1, conversation=True, stage=stage, clip=clip, description=about, proposals=list(proposals)
    )


def test_words_are_kept_and_lead_to_proposals() -> None:
    changes, leads_to = moved(talk(), Move(call="say", words=" less snow "))
    assert (changes["wish"], leads_to) == ("less snow", "described")
    assert changes["talk"] == [{"by": "person", "words": "less snow"}]
    spoken = talk().model_copy(update={"talk": [Said(by="person", words="x")] * MOST_TURNS})
    with pytest.raises(MoveError, match="a conversation ends after 60 turns"):
        moved(spoken, Move(call="say", words="more"))


def test_an_approved_proposal_becomes_the_sample() -> None:
    sample = talk("awaiting_person", offer(1, verdict()), offer(2, verdict()), offer(3, None))
    with pytest.raises(MoveError, match=r"which one\? 1, 2, 3"):
        moved(sample, Move(call="approve"))
    with pytest.raises(MoveError, match="proposal 3 has no preview yet"):
        moved(sample, Move(call="approve", number=3))
    with pytest.raises(MoveError, match="there is no proposal 7; on offer: 1, 2, 3"):
        moved(sample, Move(call="choose", number=7))
    changes, leads_to = moved(sample, Move(call="choose", number=2))
    assert (changes, leads_to) == ({"focus": 2}, "awaiting_person")
    changes, leads_to = moved(sample.model_copy(update={"focus": 2}), Move(call="approve"))
    after = Sample.model_validate(sample.model_dump() | changes)
    assert leads_to == "key_frame_judged"
    assert after.approved == 2
    assert after.instruction == sample.proposals[1].instruction
    assert after.key_frame == sample.proposals[1].key_frame


def test_a_hard_gate_is_not_waived() -> None:
    failed = verdict("rejected", "gate")
    with pytest.raises(MoveError, match="proposal 1 cannot be made: it fails safety, which nobody can waive"):
        moved(talk("awaiting_person", offer(1, failed)), Move(call="approve"))
    with pytest.raises(MoveError, match="no judged video to keep yet"):
        moved(talk(), Move(call="keep"))
    made = talk().model_copy(update={"edit": Edit(video="v.mp4", route="structure", strength=1.0), "verdict": failed})
    with pytest.raises(MoveError, match="the dataset does not take this video"):
        moved(made, Move(call="keep"))
    weak = made.model_copy(update={"verdict": verdict("rejected", "threshold")})
    assert moved(weak, Move(call="keep")) == ({"consent": True}, "judged"), "a person may overrule the critic"
    assert moved(made, Move(call="close")) == ({"decision": "private", "reasons": []}, "done")


def test_another_frame_makes_previews_anew() -> None:
    changes, leads_to = moved(talk("awaiting_person", offer(1, verdict())), Move(call="frame", frame_index=8))
    assert leads_to == "proposed"
    assert changes["key_frame_index"] == 8
    assert changes["proposals"][0]["key_frame"] is None  # type: ignore[index,call-overload]
    assert moved(talk(), Move(call="frame", frame_index=0))[1] == "awaiting_person", "nothing is on offer"
    with pytest.raises(MoveError, match="there is no frame 9; the clip has frames 0 to 8"):
        moved(talk(), Move(call="frame", frame_index=9))


def test_moves_have_their_time() -> None:
    with pytest.raises(MoveError, match="the agent is at work; wait for it, or cancel"):
        moved(talk("generated"), Move(call="say", words="x"))
    assert moved(talk("generated"), Move(call="cancel")) == ({}, "awaiting_person")
    with pytest.raises(MoveError, match="nothing is under way"):
        moved(talk(), Move(call="cancel"))
    with pytest.raises(MoveError, match="has ended"):
        moved(talk("done"), Move(call="say", words="x"))
    with pytest.raises(MoveError, match="is no conversation"):
        moved(talk().model_copy(update={"conversation": False}), Move(call="close"))
    fresh = Sample(id="talk", seed=1, conversation=True)
    begin = Move(call="begin", given=Given(clip_number=3), words="make it snow", frame_index=2)
    changes, leads_to = moved(fresh, begin)
    assert leads_to == "new"
    begun = Sample.model_validate(fresh.model_dump() | changes)
    assert (begun.wish, begun.key_frame_index, begun.given) == ("make it snow", 2, Given(clip_number=3))
    with pytest.raises(MoveError, match="has begun already"):
        moved(begun, begin)
    assert moved(begun, Move(call="cancel"))[1] == "done", "before a clip was looked at there is nothing to talk about"


@pytest.mark.parametrize(
    ("move", "problem"),
    [
        ({"call": "say", "words": "  "}, "nothing was said"),
        ({"call": "say", "words": "x" * 601}, "at most 600"),
        ({"call": "frame"}, "no frame was chosen"),
        ({"call": "begin"}, "no clip was given"),
        ({"call": "accept"}, "Input should be"),
    ],
)
def test_half_moves_are_refused(move: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Move.model_validate(move)
