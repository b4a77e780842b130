"""CLIP-T and CLIP-F of judged pairs, where the profile has a CLIP."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from agent.clip_rules import IngestConfig, fitted_size
from agent.evaluate.figures import Scored
from agent.evaluate.pairs import EvaluationPair
from agent.judge.pair_files import MAX_FRAMES
from ditto_models import video
from ditto_models.base import WordPictureEmbedder
from ditto_models.metrics.clip_scores import clip_f, clip_t


def with_clip(
    scored: Scored, pair: EvaluationPair, edited: Path, clip: WordPictureEmbedder, size: IngestConfig
) -> Scored:
    """The pair with its scores, from the edited video's frames at the size that the critic sees.

    The text is what the edited video shows, where the list says so, else the instruction. EditVerseBench and IVEBench
    have such texts; "how well the edit follows the instruction" (Ditto) leaves open which of the two its CLIP-T is of.
    A video that was judged and cannot be read now is unreadable.
    """
    try:
        shown = video.probe(edited)
        fitted = fitted_size(shown.width, shown.height, size)
        frames = video.read_window(edited, 0.0, None, MAX_FRAMES, *fitted).frames
    except video.VideoError as error:
        return replace(scored, judged=replace(scored.judged, decision="unreadable", reasons=[str(error)], scores={}))
    frames_TD = clip.embed_pictures(frames)
    text_D = clip.embed_words(pair.target or pair.instruction)
    return replace(
        scored,
        clip_t=clip_t(frames_TD, text_D),
        clip_f=clip_f(frames_TD),
        clip_text="target" if pair.target else "instruction",
    )
