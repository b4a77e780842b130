"""Why a sample is what it is, in one sentence for people, from its verdict, its reasons and its events. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent.reports.page import told
from agent.verdicts import GATES
from memory.sample import AxisVerdict, Event, Sample, Stage, Verdict

MEANS: Mapping[str, str] = {
    "edit_applied": "the edit can hardly be seen",
    "key_frame_followed": "the video does not look like its key frame",
    "scope_confined": "more of the picture changed than was asked for",
    "source_structure": "shapes of the source are lost",
    "source_motion": "things do not move as in the source",
    "temporal_steadiness": "the edit flickers or pulses",
    "visual_integrity": "the picture is damaged",
    "distinct": "it shows what another accepted pair shows already",
    "safety": "it may be unsafe",
    "instruction_followed": "it does not do what the instruction says",
    "source_preserved": "more changed than the instruction says",
    "motion_preserved": "the motion of the source is not kept",
    "visual_quality": "it looks poor",
    "model_safety": "the judge finds it unsafe",
}
"""What it is to fail an axis."""
GIVEN_UP: Mapping[str, str] = {
    "out_of_budget": "its budget of attempts or of model time was spent",
    "nothing_to_edit": "no edit that is left suits this clip",
    "not_feasible": "the planner found the edit not feasible",
    "poor_key_frame": "no edited key frame was good enough",
    "poor_video": "no edited video was good enough",
    "unsafe": "the planner found it unsafe",
    "person": "a person decided so",
    "unreadable": "its source cannot be read",
}
"""Reasons that are no axis."""
NEXT: Mapping[Stage, str] = {
    "new": "a clip is taken next",
    "clip": "the clip is described next",
    "described": "an instruction is written next",
    "proposed": "previews of what was proposed are made next",
    "instructed": "the key frame is edited next",
    "key_frame_edited": "the edited key frame is judged next",
    "key_frame_judged": "the video is made next, if the key frame passed",
    "generated": "the video is judged next",
    "judged": "it is decided next what becomes of it",
    "enhanced": "the enhanced video is judged next",
}
DOES: Mapping[str, str] = {
    "sample_clip": "taking a clip",
    "describe_clip": "describing the clip",
    "write_instruction": "writing the instruction",
    "edit_key_frame": "editing the key frame",
    "critique_key_frame": "judging the key frame",
    "generate_video": "making the video",
    "critique_video": "judging the video",
    "enhance_video": "enhancing the video",
    "propose_edits": "proposing edits",
    "preview_edits": "making previews",
    "retry": "choosing what to mend",
    "accept": "keeping the pair",
    "reject": "giving the sample up",
    "plan": "deciding what to do next",
}
MOST_SHOWN = 300
"""Characters of an error or a note."""


def why(sample: Sample, events: Sequence[Event]) -> str:
    """One sentence: what became of the sample and why, or where it stands."""
    override = next((event for event in reversed(events) if event.tool == "override"), None)
    if override and sample.decision:
        return _overridden(sample, override, events)
    match sample.decision:
        case "accepted":
            return _accepted(sample)
        case "rejected":
            return f"Rejected {_when(sample, events)}{_tries(sample)}: {_causes(sample, events)}."
        case "unscored":
            return f"Unscored, neither accepted nor rejected: {_unjudged(sample)}."
        case "failed":
            return f"Failed {_while(events)}: {_error(events)}"
        case "quarantined":
            return f"Quarantined {_while(events)}: {_error(events)}"
        case "private":
            return "Private: the conversation ended, and its person did not give the result to the dataset."
    if sample.stage == "awaiting_person":
        return f"Waits for a person{_trouble(events)}."
    return f"Under way: {NEXT.get(sample.stage, 'it is about to be decided')}{_trouble(events)}."


def spoken(name: str) -> str:
    """An axis, a tool or a reason as words."""
    return name.replace("_", " ")


def held(axis: str, score: AxisVerdict) -> str:
    """An axis against its threshold, in figures."""
    if score.value is None:
        return f"{spoken(axis)} could not be assessed"
    return f"{spoken(axis)}: {told(score)}, needs {needed(score)}"


def needed(score: AxisVerdict) -> str:
    """The threshold in as many digits as it was given: 0.9999 must not read as 1.00."""
    short = f"{score.threshold:.2f}"
    return short if float(short) == score.threshold else f"{score.threshold:g}"


def judged(sample: Sample) -> Verdict | None:
    """The verdict that decided, or the last there is."""
    return sample.verdict or sample.key_frame_verdict


def _accepted(sample: Sample) -> str:
    consent = " and its person gives it to the dataset" if sample.conversation else ""
    verdict = sample.verdict
    if verdict is None or verdict.decision != "accepted":  # a person may keep what falls short of a threshold
        short = f", though {_axes(verdict)}" if verdict else ""
        return f"Accepted: its person keeps it{short}."
    measured = {axis: score for axis, score in verdict.scores.items() if score.counted and score.value is not None}
    if not measured:
        return f"Accepted: the video passed every axis{consent}."
    least = min(measured, key=lambda axis: (measured[axis].value or 0.0) - measured[axis].threshold)
    closest = held(least, measured[least])
    return f"Accepted: the video passed every axis that counts{consent}; closest to failing was {closest}."


def _overridden(sample: Sample, override: Event, events: Sequence[Event]) -> str:
    note = _short(str(override.arguments.get("note", ""))) or "no reason given"
    earlier = events[: list(events).index(override)]
    before = next((event.result["decision"] for event in reversed(earlier) if "decision" in event.result), None)
    agreed = before == sample.decision
    verdict = judged(sample)
    said = f"; the critic's verdict was {verdict.decision}" if verdict and not agreed else ""
    said += f" ({_axes(verdict)})" if verdict and not agreed and verdict.reasons else ""
    return f"{str(sample.decision).capitalize()} by a person: “{note}”{', as before' if agreed else said}."


def _when(sample: Sample, events: Sequence[Event]) -> str:
    if sample.verdict:
        return "after its video was judged"
    videos, stills = _judgements(events, "critique_video"), _judgements(events, "critique_key_frame")
    if videos:  # its verdict went when a stage was done again
        return f"after {videos} of its videos {'was' if videos == 1 else 'were'} judged"
    if stills:
        edits = "1 edit of a key frame was" if stills == 1 else f"{stills} edits of a key frame were"
        return f"before a video was made, after {edits} judged"
    return "before anything was edited"


def _judgements(events: Sequence[Event], tool: str) -> int:
    return sum(event.tool == tool and not event.error for event in events)


def _causes(sample: Sample, events: Sequence[Event]) -> str:
    verdict = judged(sample)
    if verdict and verdict.decision != "accepted" and set(sample.reasons) <= set(verdict.scores):
        gate = "; a failed gate is never outweighed" if verdict.rule == "gate" else ""
        return _axes(verdict) + gate
    said = [_given_up(reason, sample) for reason in sample.reasons] or ["no reason was recorded"]
    failed = _last_failed(events)
    return "; ".join([*said, *([f"what failed last: {_axes(failed)}"] if failed else [])])


def _given_up(reason: str, sample: Sample) -> str:
    if reason == "poor_key_frame" and sample.key_frame_verdict and sample.key_frame_verdict.decision == "accepted":
        return "the key frame passed, but no more videos could be made of it"
    return GIVEN_UP.get(reason) or MEANS.get(reason) or spoken(reason)


def _last_failed(events: Sequence[Event]) -> Verdict | None:
    """The last critique that did not pass, of an attempt that was done again since."""
    for event in reversed(events):
        found = event.result.get("verdict") or event.result.get("key_frame_verdict")
        if isinstance(found, dict) and found.get("decision") == "rejected":
            return Verdict.model_validate(found)
    return None


def _axes(verdict: Verdict) -> str:
    """What failed, the gates' words first."""
    failed = sorted(verdict.reasons, key=lambda axis: axis not in GATES)
    return "; ".join(
        f"{MEANS.get(axis, spoken(axis))} ({held(axis, verdict.scores[axis])})" if axis in verdict.scores else axis
        for axis in failed
    )


def _unjudged(sample: Sample) -> str:
    verdict = judged(sample)
    names = " and ".join(spoken(reason) for reason in sample.reasons) or "an axis"
    reasons = [verdict.scores[axis].reason for axis in sample.reasons if axis in verdict.scores] if verdict else []
    said = f" ({_short('; '.join(reasons))})" if any(reasons) else ""
    return f"{names} could not be assessed{said}, and the instruction needs it"


def _tries(sample: Sample) -> str:
    times = len(sample.diagnoses)
    return f" and after {times} repair{'' if times == 1 else 's'}" if times else ""


def _while(events: Sequence[Event]) -> str:
    broken = next((event for event in reversed(events) if event.error), None)
    return f"while {DOES.get(broken.tool, spoken(broken.tool))}" if broken else "for a reason that was not recorded"


def _error(events: Sequence[Event]) -> str:
    broken = next((event for event in reversed(events) if event.error), None)
    said = _short(broken.error or "") if broken else ""
    return said if said.endswith((".", "!", "?")) else f"{said}."


def _trouble(events: Sequence[Event]) -> str:
    last = events[-1] if events else None
    if last is None or not last.error:
        return ""
    return f"; {DOES.get(last.tool, spoken(last.tool))} did not work: {_short(last.error).rstrip('.')}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MOST_SHOWN else f"{line[:MOST_SHOWN]}…"
