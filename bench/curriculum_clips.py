"""Procedural clips and edited pairs for the test of the curriculum: a shape that moves over a texture that moves, and
the same scene with one thing changed, in step. Seeded numpy.

A named colour or texture comes in many shades and scales, so that an edited frame tells more of an edit than words do.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import yaml

SIDE, FRAMES = 64, 5
COLOURS = {
    "red": (220, 50, 45),
    "green": (50, 170, 70),
    "blue": (50, 90, 220),
    "yellow": (230, 210, 60),
    "purple": (150, 60, 190),
    "orange": (240, 140, 40),
    "white": (235, 235, 235),
    "cyan": (60, 205, 215),
}
SHAPES = ("circle", "square", "triangle", "cross", "ring")
TEXTURES = ("plain", "stripes", "checks", "waves")
EFFECTS = ("night", "inverted", "grey", "snow", "rain", "fog", "sunset")
SIZES = ("larger", "smaller")
Kind = Literal["shape_colour", "background", "shape", "texture", "remove", "size", "effect"]
OPTIONS: dict[Kind, tuple[str, ...]] = {
    "shape_colour": tuple(COLOURS),
    "background": tuple(COLOURS),
    "shape": SHAPES,
    "texture": TEXTURES,
    "remove": ("none",),
    "size": SIZES,
    "effect": EFFECTS,
}
HELD_BACK = 8
"""One in so many combinations of an edit and the shape it meets is never trained on."""
Pixels = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """All that a clip shows; rendering it twice gives the same clip."""

    shape: str
    shape_colour: str
    background: str
    texture: str
    effect: str = "none"
    radius: float
    start: tuple[float, float]
    """Of the shape's centre, x and y in pixels."""
    velocity: tuple[float, float]
    """Pixels a frame."""
    turn: float
    """Of the texture, in radians."""
    pitch: float
    """Pixels to one period of the texture."""
    drift: float
    """Of the texture, in periods a frame."""
    shape_shade: tuple[float, float, float]
    """Added to the named colour, in grey levels."""
    background_shade: tuple[float, float, float]
    weather: int
    """Seed of flakes and drops."""

    @property
    def caption(self) -> str:
        """What it shows, in words of the instructions."""
        captions = _words()["captions"]
        text: str = captions["nothing" if self.shape == "none" else "scene"].format(**vars(self))
        return text if self.effect == "none" else f"{text} {self.effect}"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A scene, the edited scene, and what was asked for."""

    source: Scene
    edited: Scene
    kind: Kind
    value: str
    instruction: str

    @property
    def is_held_back(self) -> bool:
        """Whether this edit of this shape is never trained on."""
        return _hash(f"{self.kind} {self.value} {self.source.shape}") % HELD_BACK == 0


def scene(rng: np.random.Generator) -> Scene:
    """One without weather or light; its two colours differ."""
    shape_colour, background = rng.choice(list(COLOURS), 2, replace=False)
    return Scene(
        shape=str(rng.choice(SHAPES)),
        shape_colour=str(shape_colour),
        background=str(background),
        texture=str(rng.choice(TEXTURES)),
        radius=float(rng.uniform(12, 20)),
        start=(float(rng.uniform(18, 46)), float(rng.uniform(18, 46))),
        velocity=(float(rng.uniform(-3, 3)), float(rng.uniform(-3, 3))),
        turn=float(rng.uniform(0, np.pi)),
        pitch=float(rng.uniform(14, 26)),
        drift=float(rng.uniform(-0.15, 0.15)),
        shape_shade=_shade(rng),
        background_shade=_shade(rng),
        weather=int(rng.integers(1 << 30)),
    )


def pair(rng: np.random.Generator) -> Pair:
    """A pair whose edit changes something; kinds are equally likely, and so are the values of a kind."""
    source = scene(rng)
    kind: Kind = list(OPTIONS)[rng.integers(len(OPTIONS))]
    taken: tuple[str, ...] = (source.shape_colour, source.background)
    if kind in ("shape", "texture"):
        taken = (getattr(source, kind),)
    value = str(rng.choice([option for option in OPTIONS[kind] if option not in taken]))
    phrasing = str(rng.choice(_words()["instructions"][kind]))
    return Pair(
        source=source,
        edited=_edited(source, kind, value, rng),
        kind=kind,
        value=value,
        instruction=phrasing.format(value=value, shape=source.shape),
    )


def pairs(seed: int, count: int, held_back: bool = False) -> list[Pair]:
    """So many pairs of a seed: those of combinations that may be trained on, or those of the others."""
    rng, found = np.random.default_rng(seed), list[Pair]()
    while len(found) < count:
        made = pair(rng)
        if made.is_held_back is held_back:
            found.append(made)
    return found


def render(shown: Scene, frames: int = FRAMES) -> npt.NDArray[np.uint8]:
    """The clip, THWC in RGB."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) + 0.5
    time = np.arange(frames, dtype=np.float32)[:, None, None]
    light = (0.5 + 0.5 * _texture(shown, x, y, time))[..., None]
    picture = _colour(shown.background, shown.background_shade) * (0.35 + 0.4 * light)
    if shown.shape != "none":
        across = (x - shown.start[0] - shown.velocity[0] * time) / shown.radius
        down = (y - shown.start[1] - shown.velocity[1] * time) / shown.radius
        cover = np.clip(0.5 - _distance(shown.shape, across, down) * shown.radius, 0, 1)[..., None]
        picture = picture * (1 - cover) + _colour(shown.shape_colour, shown.shape_shade) * cover
    return np.clip(_lit(shown, picture, x, y, time), 0, 255).round().astype(np.uint8)


def _edited(source: Scene, kind: Kind, value: str, rng: np.random.Generator) -> Scene:
    if kind == "shape_colour":
        return replace(source, shape_colour=value, shape_shade=_shade(rng))
    if kind == "background":
        return replace(source, background=value, background_shade=_shade(rng))
    if kind == "texture":
        return replace(source, texture=value, turn=float(rng.uniform(0, np.pi)), pitch=float(rng.uniform(14, 26)))
    if kind == "size":
        return replace(source, radius=source.radius * (1.5 if value == "larger" else 0.6))
    if kind == "shape":
        return replace(source, shape=value)
    return replace(source, shape="none") if kind == "remove" else replace(source, effect=value)


def _texture(shown: Scene, x: Pixels, y: Pixels, time: Pixels) -> Pixels:
    """-1 to 1, THW."""
    wave = 2 * np.pi / shown.pitch
    along = (x * np.cos(shown.turn) + y * np.sin(shown.turn)) * wave + 2 * np.pi * shown.drift * time
    beside = (y * np.cos(shown.turn) - x * np.sin(shown.turn)) * wave
    if shown.texture == "stripes":
        field = np.clip(2 * np.sin(along), -1, 1)
    elif shown.texture == "checks":
        field = np.clip(3 * np.sin(along) * np.sin(beside), -1, 1)
    elif shown.texture == "waves":
        field = np.clip(2 * np.sin(along + 2 * np.sin(beside)), -1, 1)
    else:
        field = np.zeros_like(along)
    return np.asarray(field, np.float32)


def _distance(shape: str, x: Pixels, y: Pixels) -> Pixels:
    """Signed, in radii, negative inside."""
    if shape == "circle":
        away = np.hypot(x, y) - 1
    elif shape == "square":
        away = np.maximum(abs(x), abs(y)) - 0.85
    elif shape == "triangle":
        away = np.maximum(abs(x) * 0.866 - y * 0.5, y) - 0.55
    elif shape == "cross":
        away = np.minimum(np.maximum(abs(x) - 1, abs(y) - 0.35), np.maximum(abs(y) - 1, abs(x) - 0.35))
    else:
        away = abs(np.hypot(x, y) - 0.7) - 0.3
    return np.asarray(away, np.float32)


def _lit(shown: Scene, picture: Pixels, x: Pixels, y: Pixels, time: Pixels) -> Pixels:
    if shown.effect == "night":
        return picture * 0.3 + np.array([0, 0, 25], np.float32)
    if shown.effect == "inverted":
        return 255 - picture
    if shown.effect == "grey":
        return np.repeat(picture @ np.array([[0.3], [0.59], [0.11]], np.float32), 3, axis=-1)
    if shown.effect == "fog":
        return picture * 0.4 + 0.6 * 205
    if shown.effect == "sunset":
        return picture * np.array([1.05, 0.72, 0.5], np.float32) + np.array([25, 5, 0], np.float32)
    if shown.effect in ("snow", "rain"):
        return _weather(shown, picture, x, y, time)
    return picture


def _weather(shown: Scene, picture: Pixels, x: Pixels, y: Pixels, time: Pixels) -> Pixels:
    rng = np.random.default_rng(shown.weather)
    speed, half = (3.0, (2.2, 2.2)) if shown.effect == "snow" else (8.0, (0.9, 5.5))
    colour = np.array([250, 250, 250] if shown.effect == "snow" else [170, 190, 225], np.float32)
    cover = np.zeros(np.broadcast_shapes(x.shape, time.shape), np.float32)
    for left, top in rng.uniform(0, SIDE, (22, 2)):
        fallen = (top + speed * time) % SIDE
        away = np.hypot((x - left) / half[0], (y - fallen) / half[1])
        np.maximum(cover, np.clip(1.5 - away, 0, 1), out=cover)
    return picture * (1 - cover[..., None]) + colour * cover[..., None]


def _colour(name: str, shade: tuple[float, float, float]) -> Pixels:
    return np.clip(np.array(COLOURS[name], np.float32) + np.array(shade, np.float32), 0, 255)


def _shade(rng: np.random.Generator) -> tuple[float, float, float]:
    red, green, blue = rng.uniform(-25, 25, 3)
    return float(red), float(green), float(blue)


def _hash(of: str) -> int:
    return int.from_bytes(hashlib.sha256(of.encode()).digest()[:4])


@cache
def _words() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = yaml.safe_load(
        Path(__file__).with_name("curriculum_words.yaml").read_text(encoding="utf-8")
    )
    return found
