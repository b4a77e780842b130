"""What can be measured in a clip, and one honest sentence made of it. It recognises no objects and claims none."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ditto_models.base import Description, Frame, Frames, Masks

Weights = NDArray[np.float32]

HUES = ((20, "pink"), (45, "red"), (75, "orange"), (105, "yellow"), (165, "green"), (220, "teal"), (300, "blue"))
"""Upper bounds of hue angles in a*b*, degrees, and their names; what lies beyond is purple."""

STRAY_FRAMES, STRAY_LEVELS = 6, 24
"""Frames apart, and change in levels, at which something is seen to have moved."""


class ClipDescriberConfig(BaseModel):
    """How closely to look."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frames: int = Field(default=5, ge=1)
    """Frames measured, spread evenly over the clip."""
    width: int = Field(default=320, ge=64)
    """Pixels across at which they are measured."""


class ClipDescriber:
    """ClipDescriber of measured facts. Keys and units:

    lightness 0..100 (CIE L*), contrast (its standard deviation), colourfulness (mean chroma), warmth (mean b*),
    redness (mean a*), shadows and highlights (shares of L* < 20 and > 85), greenery and sky (shares that look so),
    lights (share of small bright spots amid dark), motion (pixels a frame at 640 across), detail (mean gradient of L*),
    subject_share, and where it is above 0: subject_* and background_* lightness, chroma and hue (degrees in a*b*),
    subject_separation (distance of the two mean colours in L*a*b*), subject_stray (what moves close round the subject
    and outside its mask, as a share of its area, where most does: ears that the mask left out).
    """

    name = "measured-facts"

    def __init__(self, config: ClipDescriberConfig | None = None) -> None:
        self.config = config or ClipDescriberConfig()

    def describe(self, frames: Frames, masks: Masks) -> Description:
        """Facts and a caption of frames THWC uint8 RGB with masks THW float32."""
        chosen = np.unique(np.linspace(0, len(frames) - 1, self.config.frames).round().astype(int))
        small = [self._small(frames[index]) for index in chosen]
        shape = small[0].shape[1::-1]
        weights = [np.asarray(cv2.resize(masks[index], shape), np.float32) for index in chosen]
        each = [_measure(frame, mask) for frame, mask in zip(small, weights, strict=True)]
        facts = {key: float(np.mean([facts[key] for facts in each])) for key in each[0]}
        facts |= {"motion": self._motion(frames), "subject_share": float(masks.mean())}
        if facts["subject_share"] > 0:
            facts |= _regions(small, weights) | {"subject_stray": self._stray(frames, masks)}
        facts = {key: round(value, 4) for key, value in facts.items()}
        return Description(caption=_caption(facts), facts=facts)

    def _small(self, frame: Frame) -> Frame:
        height, width = frame.shape[:2]
        size = (self.config.width, max(1, round(height * self.config.width / width)))
        return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)

    def _motion(self, frames: Frames) -> float:
        if len(frames) < 2:
            return 0.0
        flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        lengths = []
        for index in np.unique(np.linspace(0, len(frames) - 2, self.config.frames).astype(int)):
            pair = [cv2.cvtColor(self._small(frames[at]), cv2.COLOR_RGB2GRAY) for at in (index, index + 1)]
            found = flow.calc(pair[0], pair[1], np.zeros((*pair[0].shape, 2), np.float32))
            lengths.append(float(np.linalg.norm(found, axis=2).mean()))
        return float(np.mean(lengths)) * 640 / self.config.width

    def _stray(self, frames: Frames, masks: Masks) -> float:
        """The mask's own frames apart, so that what it left out has moved off its place."""
        gap = min(STRAY_FRAMES, len(frames) - 1)
        found = [0.0]
        for index in range(0, len(frames) - gap, max(1, gap // 2)):
            before, after = (self._small(frames[at]) for at in (index, index + gap))
            size = before.shape[1::-1]
            region = np.maximum(cv2.resize(masks[index], size), cv2.resize(masks[index + gap], size)) > 0.2
            found.append(_stray_share(before, after, region))
        return max(found)


def lab_of(frame: Frame) -> Weights:
    """CIE L*a*b*, HWC float32, of a frame HWC uint8 RGB."""
    return np.asarray(cv2.cvtColor(frame.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)


def _measure(frame: Frame, mask: Weights) -> dict[str, float]:
    lab = lab_of(frame)
    lightness, redness, warmth = lab[..., 0], lab[..., 1], lab[..., 2]
    chroma = np.hypot(redness, warmth)
    hue = np.degrees(np.arctan2(warmth, redness)) % 360
    green = (hue > 95) & (hue < 175) & (chroma > 14) & (lightness > 12)
    return {
        "lightness": float(lightness.mean()),
        "contrast": float(lightness.std()),
        "colourfulness": float(chroma.mean()),
        "warmth": float(warmth.mean()),
        "redness": float(redness.mean()),
        "shadows": float((lightness < 20).mean()),
        "highlights": float((lightness > 85).mean()),
        "greenery": float((green & (mask < 0.5) & _textured(lightness)).mean()),
        "sky": float(_sky(lab).mean()),
        "lights": _lights(lightness),
        "detail": float(_gradient(lightness).mean()),
    }


def _gradient(lightness: Weights) -> Weights:
    steps = cv2.Sobel(lightness, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(lightness, cv2.CV_32F, 0, 1) / 8
    return np.asarray(np.hypot(*steps), np.float32)


def _textured(lightness: Weights) -> NDArray[np.bool_]:
    """Where there is fine structure, as leaves and grass have and painted walls have not."""
    return np.asarray(cv2.blur(_gradient(lightness), (15, 15)) > 1.0)


def _sky(lab: Weights) -> NDArray[np.bool_]:
    """Smooth, and pale or blue, and joined to the upper border."""
    lightness, redness, warmth = lab[..., 0], lab[..., 1], lab[..., 2]
    smooth = cv2.blur(_gradient(lightness), (5, 5)) < 1.2
    pale = (lightness > 55) & (np.hypot(redness, warmth) < 14)
    blue = (warmth < -8) & (warmth < -np.abs(redness) * 0.6)
    pink = (lightness > 60) & (warmth < 6) & (redness > 0) & (redness < 30)
    candidate = (smooth & (pale | blue | pink)).astype(np.uint8)
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(candidate)
    top = [part for part in range(1, count) if statistics[part, cv2.CC_STAT_TOP] == 0]
    return np.isin(parts, [part for part in top if statistics[part, cv2.CC_STAT_AREA] > 0.01 * parts.size])


def _lights(lightness: Weights) -> float:
    """The share of bright spots that stand well above what surrounds them in a dark picture."""
    around = cv2.blur(lightness, (31, 31))
    return float(((lightness > 60) & (lightness > around + 25) & (around < 50)).mean())


def _stray_share(before: Frame, after: Frame, region: NDArray[np.bool_]) -> float:
    """Changed area in a band round the region beyond what changes farther off, as a share of the region's."""
    width = before.shape[1]
    side = max(3, round(width * 0.02)) | 1
    outside = cv2.dilate(region.astype(np.uint8), np.ones((side, side), np.uint8)) == 0
    near = outside & (cv2.distanceTransform(1 - region.astype(np.uint8), cv2.DIST_L2, 5) < width * 0.1)
    far = outside & ~near
    changed = cv2.blur(cv2.absdiff(before, after), (3, 3)).max(axis=2) > STRAY_LEVELS
    beyond = float(changed[near].mean()) - (float(changed[far].mean()) if far.any() else 0.0) if near.any() else 0.0
    return max(0.0, beyond) * float(near.sum()) / max(float(region.sum()), 1.0)


def _regions(frames: list[Frame], masks: list[Weights]) -> dict[str, float]:
    facts, means = {}, {}
    labs = np.concatenate([lab_of(frame).reshape(-1, 3) for frame in frames])
    inside = np.concatenate([mask.ravel() for mask in masks])
    for region, weight in (("subject", inside), ("background", 1 - inside)):
        mean = np.average(labs, axis=0, weights=weight + 1e-6)
        means[region] = mean
        facts[f"{region}_lightness"] = float(mean[0])
        facts[f"{region}_chroma"] = float(np.average(np.hypot(labs[:, 1], labs[:, 2]), weights=weight + 1e-6))
        facts[f"{region}_hue"] = float(np.degrees(np.arctan2(mean[2], mean[1])) % 360)
    facts["subject_separation"] = float(np.linalg.norm(means["subject"] - means["background"]))
    return facts


def _caption(facts: dict[str, float]) -> str:
    tone = _grade(facts["lightness"], ((25, "dark"), (40, "dim"), (65, "mid-toned")), "bright")
    colour = _grade(facts["colourfulness"], ((8, "muted"), (24, "moderately coloured")), "strongly coloured")
    cast = _grade(facts["warmth"], ((-5, " in cool tones"), (10, "")), " in warm tones")
    motion = _grade(facts["motion"], ((0.6, "hardly any"), (3, "slow")), "lively")
    seen = []
    if facts["subject_share"] > 0:
        seen.append(f"a {_colour_word(facts, 'subject')} main subject over {facts['subject_share']:.0%} of the frame")
    for key, words in (("greenery", "green textured ground or foliage"), ("sky", "smooth sky-like tones")):
        if facts[key] > 0.04:
            seen.append(f"{words} over {facts[key]:.0%}")
    return f"A {tone}, {colour} shot{cast} with {motion} motion{': ' if seen else ''}{', '.join(seen)}."


def _grade(value: float, steps: tuple[tuple[float, str], ...], beyond: str) -> str:
    return next((word for limit, word in steps if value < limit), beyond)


def _colour_word(facts: dict[str, float], region: str) -> str:
    lightness, chroma, hue = (facts[f"{region}_{key}"] for key in ("lightness", "chroma", "hue"))
    if chroma < 12:
        return "dark" if lightness < 25 else "white" if lightness > 85 else "grey"
    return next((word for limit, word in HUES if hue < limit), "purple")
