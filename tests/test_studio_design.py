"""The studio's colours can be read: WCAG AA contrast of every pair that pages put on each other, in light and dark."""

import re
from pathlib import Path

import pytest

STATIC = Path(__file__).parent.parent / "agent" / "studio" / "static"
TOKEN = re.compile(r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);")
SHEETS = {path.name: path.read_text() for path in STATIC.glob("*.css")}
COLOURS = {name: colours for text in SHEETS.values() for name, *colours in TOKEN.findall(text)}
DECISIONS = ("accepted", "rejected", "unscored", "failed", "private")
WORDS = [(word, on) for word in ("ink", "soft", "accent", *DECISIONS) for on in ("paper", "card", "track")]
DRAWN = [name for name in COLOURS if name.startswith("kind-")]
EDGES = [(line, on) for line in ("edge", *DRAWN) for on in ("paper", "card")]


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("dark", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "least"),
    [*((front, back, 4.5) for front, back in [*WORDS, ("on-accent", "accent")]), *((*pair, 3.0) for pair in EDGES)],
)
def test_contrast(front: str, back: str, least: float, dark: int) -> None:
    assert contrast(COLOURS[front][dark], COLOURS[back][dark]) >= least


def test_the_measure_is_the_standards_own() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_colours_have_a_name_and_one_for_light_and_one_for_dark() -> None:
    colour = re.compile(r"#[0-9a-fA-F]{3,8}\b(?=[^{}]*[;,)])")
    unnamed = {name: found for name, text in SHEETS.items() if (found := colour.findall(TOKEN.sub("", text)))}
    assert list(unnamed) in ([], ["tokens.css"])  # there, what stands for a colour before it is known
    assert len(DRAWN) == 12
