"""A decided sample whose every text is an attack on the page that shows it, put into a run's ledger by hand."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

from agent.model_calls import keep_call
from agent.state import apply
from ditto_models.call_log import ChatCall
from memory.artifacts import ArtifactStore
from memory.ledger import Ledger
from memory.sample import (
    AxisVerdict,
    Clip,
    Description,
    Edit,
    Event,
    Instruction,
    KeyFrame,
    ModelCall,
    Refusal,
    Sample,
    Verdict,
)

ATTACK = "<script>window.hacked=1</script><img src=x onerror=window.hacked=1>\"'><b>\x1b[2J{{7*7}}"
SAMPLE = "hostile-0001"


def add_hostile_sample(run: Path, like: Sample) -> str:
    """Add it to a run; its videos and pictures are those of a sample that it has. Returns the id."""
    store = ArtifactStore(run / "artifacts")
    ledger = Ledger(run / "ledger.sqlite")
    sample = Sample(id=SAMPLE, seed=1)
    number = ledger.next_number()
    for event in _events(like, store):
        sample = apply(sample, event)
        asyncio.run(ledger.append(event, sample, number))
    ledger.close()
    return SAMPLE


def _events(like: Sample, store: ArtifactStore) -> list[Event]:
    assert like.clip
    assert like.key_frame
    assert like.edit
    assert like.description
    clip = Clip.model_validate(like.clip.model_dump() | {"uri": f"/clips/{ATTACK}.mp4"})
    seen = Description(caption=ATTACK, facts={}, masks=like.description.masks)
    words = Instruction(text=ATTACK, edit_type=ATTACK, scope="local", target=ATTACK, parameters={ATTACK: ATTACK})
    score = AxisVerdict(value=0.2, threshold=0.5, passed=False, reason=ATTACK, combined=ATTACK)
    verdict = Verdict(decision="rejected", reasons=["instruction_followed"], rule="threshold", scores={
        "instruction_followed": score, "visual_quality": score.model_copy(update={"counted": False}),
    })  # fmt: skip
    given = Edit(video=like.edit.video, route=ATTACK, strength=1.0)
    frame = KeyFrame.model_validate(like.key_frame.model_dump())
    return [
        _event("sample_clip", 1, {"clip": clip.model_dump()}, note=ATTACK),
        _event("describe_clip", 2, {"description": seen.model_dump()}, note=ATTACK, calls=[call(store)]),
        _event(
            "write_instruction",
            3,
            {"instruction": words.model_dump()},
            arguments={ATTACK: ATTACK, "several": [ATTACK, 1]},
            refusals=[Refusal(answer=ATTACK, problem=ATTACK)],
            planner_fallback=True,
        ),
        _event("edit_key_frame", 4, {"key_frame": frame.model_dump()}, model=ATTACK),
        _event("generate_video", 5, {}, error=ATTACK),
        _event("generate_video", 6, {"edit": given.model_dump()}),
        _event("critique_video", 7, {"verdict": verdict.model_dump()}, note=ATTACK),
        _event("reject", 8, {"decision": "rejected", "reasons": [ATTACK]}, note=ATTACK, next_stage="done"),
        _event("override", 9, {"decision": "rejected"}, arguments={"note": ATTACK}, by="person", next_stage="done"),
    ]


def _event(tool: str, seq: int, result: dict[str, object], **more: object) -> Event:
    base = {"stage": "new", "next_stage": "judged", "arguments": {}, "seconds": 0.1, "attempt": 1, "by": "planner"}
    return Event.model_validate({"sample_id": SAMPLE, "tool": tool, "seq": seq, "result": result, **base, **more})


def call(store: ArtifactStore, with_request: bool = True) -> ModelCall:
    """A call that showed a model one picture and two frames of a video."""
    png = base64.b64encode(b"\x89PNG one").decode()
    jpeg = base64.b64encode(b"\xff\xd8 two").decode()
    parts = [
        {"type": "text", "text": ATTACK},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png}"}},
        {"type": "video_url", "video_url": {"url": f"data:video/jpeg;base64,{jpeg},{png}"}},
    ]
    body = {
        "model": ATTACK,
        "temperature": 0.5,
        "messages": [{"role": "system", "content": ATTACK}, {"role": "user", "content": parts}],
        "tools": [{"type": "function", "function": {"name": "reject", "description": ATTACK}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": ATTACK}},
    }
    made = ChatCall(
        purpose=ATTACK,
        prompt_hash="ab" * 8,
        model=ATTACK,
        server=f"http://127.0.0.1/{ATTACK}",
        request=json.dumps(body).encode(),
        answer=json.dumps({"choices": [{"message": {"content": ATTACK}}]}).encode(),
        status=200,
        prompt_tokens=30,
        answer_tokens=7,
        seconds=0.5,
        waited_seconds=1.25,
    )
    kept = keep_call(made, store, with_request)
    return kept.model_copy(update={"faults": [ATTACK], "error": ATTACK})
