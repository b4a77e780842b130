"""CLIP-T and CLIP-F of an edited video, from CLIP's embeddings of its frames and of a text.

The Ditto paper (arXiv 2510.15742) names both and publishes no code: "CLIP-T measures the CLIP text-video similarity",
"CLIP-F calculates the average inter-frame CLIP similarity". CLIP-T here is the mean cosine of each frame with the text,
as in CLIPScore (Hessel et al. 2021, arXiv 2104.08718) and EditVerseBench's frame_text_alignment (arXiv 2509.20360).
CLIP-F is the mean cosine of each frame with the next, as in EditVerseBench's clip_temporal_consistency and DreamVideo
(arXiv 2312.04433); LOVEU-TGVE (arXiv 2310.16003) averages over all pairs of frames instead, which is lower where a
video moves. Both are times 100, as the papers print them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


def clip_t(frames_TD: Vectors, text_D: Vectors) -> float:
    """100 times the mean cosine of T frames with a text; from -100 to 100, of real videos some 20 to 35.

    Raises:
        ValueError: there are no frames, the dimensions differ, or a vector has no direction.
    """
    frames, text = _directions(frames_TD), _directions(text_D[None])[0]
    if frames.shape[1] != len(text):
        raise ValueError(f"frames have {frames.shape[1]} dimensions and the text {len(text)}; expected the same")
    return float(100 * np.mean(frames @ text))


def clip_f(frames_TD: Vectors) -> float | None:
    """100 times the mean cosine of each of T frames with the next; None of a single frame, which has no next.

    Raises:
        ValueError: there are no frames, or a vector has no direction.
    """
    frames = _directions(frames_TD)
    if len(frames) == 1:
        return None
    return float(100 * np.mean(np.sum(frames[:-1] * frames[1:], axis=1)))


def _directions(vectors_ND: Vectors) -> NDArray[np.float64]:
    if vectors_ND.ndim != 2 or not vectors_ND.size:
        raise ValueError(f"vectors are {vectors_ND.shape}; expected at least one, ND")
    vectors = vectors_ND.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise ValueError("a vector is zero or not finite; expected embeddings")
    return np.asarray(vectors / lengths, np.float64)
