"""Export conversations: how each instruction was refined, turn by turn, with the key frames and videos that were shown.

One line a conversation in refinements.jsonl, every key on every line; files lie beside it under the sha256 of what they
hold, so that what was shown twice is there once.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from agent.command import CommandError, CommandFailed
from agent.conversation.turns import Turn, turns
from memory.artifacts import ArtifactStore
from memory.dataset import scores_of, split_of
from memory.ledger import Ledger
from memory.sample import KeyFrame, Proposal, Sample, Verdict

LINES = "refinements.jsonl"
_TALKS = "id GLOB 'talk-*'"
Json = dict[str, JsonValue]


@dataclass(kw_only=True)
class Exported:
    """What was written."""

    splits: Counter[str] = field(default_factory=Counter)
    """Conversations by split; a clip is in the same one as its pairs of the dataset."""
    private: int = 0
    """Of them, those whose person did not give them to the dataset."""
    left_out: int = 0
    """Conversations that stay where they are, since they are private or not ended."""
    config_hashes: set[str] = field(default_factory=set)
    code_versions: set[str] = field(default_factory=set)


def write_refinements(folder: Path, run: Path, split: str | None, include_private: bool) -> Exported:
    """Write conversations of a run to `folder`; without `include_private` only those that their person gave.

    Raises:
        CommandError: `run` has no ledger.
        CommandFailed: a file of a conversation is gone.
        LedgerError: the ledger cannot be read.
    """
    if not (run / "ledger.sqlite").is_file():
        raise CommandError(f"{str(run)!r} is no run: expected a folder with ledger.sqlite; give the --out of agent.run")
    ledger, exported = Ledger(run / "ledger.sqlite", read_only=True), Exported()
    try:
        axes, slots = _keys(ledger, include_private)
        files = _Files(folder, ArtifactStore(run / "artifacts"))
        with (folder / LINES).open("w", encoding="utf-8", newline="\n") as lines:
            for sample in _talks(ledger):
                if not (include_private or is_given(sample)):
                    exported.left_out += 1
                elif split in (None, where := _split(sample)):
                    line = _line(sample, turns(ledger.events(sample.id)), files, axes, slots)
                    lines.write(f"{json.dumps(line, ensure_ascii=False)}\n")
                    _count(exported, sample, where)
            lines.flush()
            os.fsync(lines.fileno())
    finally:
        ledger.close()
    index = {
        "format": "refinements",
        "num_conversations": exported.splits.total(),
        "num_private": exported.private,
        "splits": dict(exported.splits),
        "config_hashes": sorted(exported.config_hashes),
        "code_versions": sorted(exported.code_versions),
    }
    (folder / "index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    return exported


def is_given(sample: Sample) -> bool:
    """Whether the person gave the conversation to the dataset, and it is there."""
    return sample.consent and sample.decision == "accepted"


def _talks(ledger: Ledger) -> Iterator[Sample]:
    return (row.sample for row in ledger.rows(_TALKS) if row.sample.conversation)


def _split(sample: Sample) -> str:
    """The split of its clip; one that came to no clip is of none, and goes to train."""
    return split_of(sample.clip.sha256) if sample.clip else "train"


def _count(exported: Exported, sample: Sample, split: str) -> None:
    exported.splits[split] += 1
    exported.private += not is_given(sample)
    if sample.provenance:
        exported.config_hashes.add(sample.provenance.config_hash)
        exported.code_versions.add(sample.provenance.code_version)


def _keys(ledger: Ledger, include_private: bool) -> tuple[list[str], list[str]]:
    """The axes and the slots of models that every line names."""
    axes, slots = dict[str, None](), dict[str, None]()
    for sample in _talks(ledger):
        if include_private or is_given(sample):
            axes |= dict.fromkeys(sample.verdict.scores if sample.verdict else ())
            slots |= dict.fromkeys(sample.provenance.models if sample.provenance else ())
    return list(axes), list(slots)


class _Files:
    """Artifacts copied beside the lines, once each."""

    def __init__(self, folder: Path, artifacts: ArtifactStore) -> None:
        self._folder = folder
        self._artifacts = artifacts

    def name(self, reference: str | None, kind: str, sample: Sample) -> str | None:
        """The file of an artifact, from the export's folder; None where there is none, or retention gave it up."""
        if not reference or sample.artifacts != "kept":
            return None
        name = f"{kind}/{reference}"
        target = self._folder / name
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            try:
                source = self._artifacts.path(reference)
            except FileNotFoundError as error:
                raise CommandFailed(f"conversation {sample.id!r} cannot be exported: {error}") from error
            shutil.copyfile(source, target)
            with target.open("rb+") as file:
                os.fsync(file.fileno())
        return name


def _line(
    sample: Sample, told: Sequence[Turn], files: _Files, axes: Sequence[str], slots: Sequence[str]
) -> dict[str, JsonValue]:
    clip, instruction, made = sample.clip, sample.instruction, sample.provenance
    return {
        "id": sample.id,
        "split": _split(sample),
        "decision": sample.decision or "open",
        "given": is_given(sample),
        "clip": {
            "sha256": clip.sha256 if clip else None,
            "start_seconds": clip.start_seconds if clip else None,
            "end_seconds": clip.end_seconds if clip else None,
            "fps": clip.fps if clip else None,
            "frames": clip.frames if clip else None,
            "width": clip.width if clip else None,
            "height": clip.height if clip else None,
            "caption": sample.description.caption if sample.description else None,
            "video": files.name(clip.video if clip else None, "videos", sample),
        },
        "turns": [_turn(turn, sample, files) for turn in told],
        "chosen": sample.focus,
        "approved": sample.approved,
        "instruction": instruction.text if instruction else None,
        "edit_type": instruction.edit_type if instruction else None,
        "scope": instruction.scope if instruction else None,
        "key_frame": _key_frame(sample.key_frame, sample, files),
        "edited_video": files.name(sample.edit.video if sample.edit else None, "videos", sample),
        "scores": dict(scores_of(sample.verdict, axes)) if sample.verdict else dict.fromkeys(axes),
        "models": {slot: made.models.get(slot) if made else None for slot in slots},
        "prompts_hash": made.prompts_hash if made else None,
        "config_hash": made.config_hash if made else None,
        "code_version": made.code_version if made else None,
        "created_at": told[0].at if told else None,
        "seed": sample.seed,
    }


def _turn(turn: Turn, sample: Sample, files: _Files) -> Json:
    return {
        "by": turn.by,
        "at": turn.at,
        "call": turn.call,
        "words": turn.words,
        "proposals": [_proposal(each, sample, files) for each in turn.proposals],
        "chosen": turn.chosen,
        "approved": turn.approved,
        "frame_index": turn.frame_index,
        "edited_video": files.name(turn.edit.video if turn.edit else None, "videos", sample),
        "verdict": _verdict(turn.verdict),
        "error": turn.error,
        "decision": turn.decision,
        "seconds": round(turn.seconds, 3),
    }


def _proposal(proposal: Proposal, sample: Sample, files: _Files) -> Json:
    wanted = proposal.instruction
    return {
        "number": proposal.number,
        "instruction": wanted.text,
        "edit_type": wanted.edit_type,
        "scope": wanted.scope,
        "target": wanted.target,
        "strength": proposal.strength,
        "left_out": proposal.note,
        "key_frame": _key_frame(proposal.key_frame, sample, files),
        "verdict": _verdict(proposal.verdict),
    }


def _key_frame(key_frame: KeyFrame | None, sample: Sample, files: _Files) -> Json:
    edited = key_frame.chosen or next(iter(key_frame.candidates), None) if key_frame else None
    return {
        "index": key_frame.index if key_frame else None,
        "source": files.name(key_frame.source if key_frame else None, "key_frames", sample),
        "edited": files.name(edited, "key_frames", sample),
    }


def _verdict(verdict: Verdict | None) -> Json:
    scores = verdict.scores if verdict else {}
    return {
        "decision": verdict.decision if verdict else None,
        "rule": verdict.rule if verdict else None,
        "reasons": list(verdict.reasons) if verdict else [],
        "axes": [{"axis": axis, **score.model_dump(exclude={"combined"})} for axis, score in scores.items()],
    }
