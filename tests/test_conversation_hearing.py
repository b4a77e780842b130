"""Words that press a button in a conversation, and the many that do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.conversation.hearing import heard
from agent.conversation.moves import MOST_TURNS, Move, MoveError, moved
from memory.sample import AxisVerdict, Clip, Edit, Instruction, KeyFrame, Proposal, Sample, Stage, Verdict
from memory.talk import Said

PASSED = Verdict(
    decision="accepted",
    reasons=[],
    rule="all_passed",
    scores={"safety": AxisVerdict(value=0.9, threshold=0.5, passed=True, reason="")},
)
CLIP = Clip(clip_id="c", uri="u", sha256="0", start_seconds=0, end_seconds=1, fps=8, frames=9, width=8, height=8)


def offer(number: int) -> Proposal:
    return Proposal(
        number=number,
        instruction=Instruction(text="Make it snow.", edit_type="weather", scope="global"),
        strength=0.8,
        key_frame=KeyFrame(index=3, source="a.png", candidates=["b.png"], strengths=[0.8], chosen="b.png"),
        verdict=PASSED,
    )


def talk(
    *numbers: int, focus: int = 0, approved: int = 0, made: bool = False, asked: str = "", stage: str = ""
) -> Sample:
    at: Stage = "generated" if stage else "awaiting_person"
    return Sample(
        id="talk",
        seed=1,
        conversation=True,
        stage=at,
        clip=CLIP,
        proposals=[offer(number) for number in numbers],
        focus=focus,
        approved=approved,
        edit=Edit(video="v.mp4", route="structure", strength=1.0) if made else None,
        verdict=PASSED if made else None,
        talk=[Said(by="agent", words=asked)] if asked else [],
    )


ONE, TWO, LATER = talk(1), talk(1, 2), talk(4, 5)


@pytest.mark.parametrize(
    ("words", "sample", "call", "number"),
    [
        ("yes", ONE, "approve", 1),
        ("Yes, please!", ONE, "approve", 1),
        ("OK, go ahead", talk(1, 2, focus=2), "approve", 2),
        ("yes, make the video", ONE, "approve", 1),
        ("generate 2", TWO, "approve", 2),
        ("make the second", TWO, "approve", 2),
        ("make the video of 2, please", TWO, "approve", 2),
        ("generate", talk(1, 2, focus=1, approved=1, made=True), "approve", 1),
        ("the second", TWO, "choose", 2),
        ("the second one", LATER, "choose", 5),
        ("the last", LATER, "choose", 5),
        ("2", TWO, "choose", 2),
        ("number four", LATER, "choose", 4),
        ("I like the first", TWO, "choose", 1),
        ("the other one", talk(1, 2, focus=1), "choose", 2),
        ("The other one.", talk(3, 4, approved=4), "choose", 3),
        ("no, the other", talk(1, 2, focus=2, approved=1), "choose", 1),
        ("keep it", talk(1, approved=1, made=True), "keep", 0),
        ("keep", talk(1, approved=1, made=True), "keep", 0),
        ("Yes, save it!", talk(1, approved=1, made=True), "keep", 0),
        ("stop", TWO, "close", 0),
        ("that\N{RIGHT SINGLE QUOTATION MARK}s all, thanks", TWO, "close", 0),
        ("stop", talk(1, stage="generated"), "cancel", 0),
        ("cancel", talk(1, stage="generated"), "cancel", 0),
        ("frame 7", ONE, "frame", 0),
        ("use the last frame", ONE, "frame", 0),
    ],
)
def test_words_that_press_a_button(words: str, sample: Sample, call: str, number: int) -> None:
    move = heard(words, sample)
    assert (move.call, move.number) == (call, number)
    assert move.words in ("", words)


def test_frames_by_number_and_place() -> None:
    assert heard("frame 7", ONE).frame_index == 7
    assert heard("the middle frame", ONE).frame_index == 4
    assert heard("show the last frame", ONE).frame_index == 8


@pytest.mark.parametrize(
    ("words", "sample"),
    [
        ("yes", TWO),
        ("yes", talk()),
        ("yes", talk(1, asked="Do you mean the light or the colours?")),
        ("yes", talk(1, approved=1, made=True)),
        ("generate 2?", TWO),
        ("yes but less snow", ONE),
        ("yes, less snow", ONE),
        ("no", ONE),
        ("no thanks", ONE),
        ("generate", TWO),
        ("generate 7", TWO),
        ("the third", TWO),
        ("the second", talk(2, 3)),
        ("7", TWO),
        ("the other one", TWO),
        ("the other one", talk(1, 2, 3, focus=1)),
        ("another one", talk(1, 2, focus=1)),
        ("keep the car red", talk(1, approved=1, made=True)),
        ("keep it red", talk(1, approved=1, made=True)),
        ("keep it", ONE),
        ("save it", talk()),
        ("stop the snow", ONE),
        ("make it winter", ONE),
        ("make 2 suns", TWO),
        ("do something else", ONE),
        ("the first snow of the year", ONE),
        ("a frame of gold", ONE),
        ("one", talk(4, 5)),
    ],
)
def test_all_other_words_are_for_the_agent(words: str, sample: Sample) -> None:
    assert heard(words, sample) == Move(call="say", words=words)


def test_who_has_said_all_they_may_can_still_end_by_words() -> None:
    spoken = talk(1, made=True).model_copy(update={"talk": [Said(by="person", words="x")] * MOST_TURNS})
    assert moved(spoken, heard("keep it", spoken))[1] == "judged"
    assert moved(spoken, heard("stop", spoken))[1] == "done"
    with pytest.raises(MoveError, match="after 60 turns"):
        moved(spoken, heard("more", spoken))


def test_nothing_and_too_much_are_told_in_a_line() -> None:
    with pytest.raises(MoveError, match="nothing was said"):
        heard(" \n", ONE)
    with pytest.raises(MoveError, match="601 characters; say it in 600"):
        heard("x" * 601, ONE)


_KNOWN = st.sampled_from(
    [
        "yes",
        "no",
        "ok",
        "generate",
        "make",
        "the",
        "second",
        "other",
        "one",
        "last",
        "1",
        "2",
        "99999999",
        "keep",
        "save",
        "it",
        "stop",
        "close",
        "frame",
        "first",
        "but",
        "less",
        "snow",
        "٢",
        "please",
        ",",
        ".",
        "?",
        "\x00",
        "'",
        "is",
    ]
)
_WORDS = st.one_of(st.text(max_size=40), st.lists(_KNOWN, max_size=8).map(" ".join))
_SAMPLES = st.builds(
    talk,
    st.integers(1, 9),
    st.integers(10, 19),
    focus=st.integers(0, 19),
    approved=st.integers(0, 19),
    made=st.booleans(),
    asked=st.sampled_from(["", "Which one?", "Here are two."]),
    stage=st.sampled_from(["", "generated"]),
)


@given(words=_WORDS.filter(lambda words: bool(words.strip())), sample=_SAMPLES)
def test_whatever_is_said_is_heard_as_it_was_said(words: str, sample: Sample) -> None:
    move = heard(words, sample)
    assert move.words == words or (move.call, move.words) == ("cancel", "")
    offered = [proposal.number for proposal in sample.proposals]
    assert move.number in (0, *offered)
    assert (move.call in ("choose", "approve")) == bool(move.number)
    assert move.call != "keep" or sample.edit
    if " but " in f" {words} ":
        assert move.call == "say"
