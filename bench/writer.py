"""What the checks of written instructions let pass and refuse, on texts whose answer is known.

python -m bench.writer

Every sentence of the catalogue was written by a person for one setting of one look. Form: how many of them pass.
About: each is held against the other words of its own setting (without its own phrasing) among 7 other settings of its
edit type, then against a wrong one of these. Grounded: things that are in a caption under another word, and things
that are not. The limits in use, chosen on these very texts, are those of WriterConfig; others stand beside them.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ditto_models.embedded.text_embedder import BgeSmallEmbedder
from tools.catalogue import Catalogue
from tools.edit_options import EditOption
from tools.instruction_about import LEAST, MARGIN, Likeness
from tools.instruction_checks import Form, problems_of_form
from tools.instruction_grounding import ungrounded

OTHERS = 7
CAPTIONS = {
    "A grey rabbit with long ears stands in a green meadow beside a burrow. It stretches and yawns. A tree trunk and "
    "yellow flowers behind it. Soft morning daylight. A static medium shot.": (
        "bunny lawn grass field ground plants fur tree trunk animal hole blossoms"
    ),
    "A man in a dark jacket rides a bicycle along a city street. Parked cars and a brick building with shop windows. "
    "Overcast daylight. The camera follows him from the left.": (
        "cyclist rider bike road buildings coat vehicles person shops sidewalk facade storefront"
    ),
    "A city skyline of tall towers at night. Lit windows reflect in the river. Nothing moves but a few boats. A slow "
    "pan to the right.": "skyscrapers buildings town water ships lights skyline darkness reflections sky",
}
"""A caption and other words for what is in it."""
ABSENT = (
    "dragon horse piano unicorn beach castle sofa guitar balloon umbrella child kitchen mountain elephant spaceship "
    "waterfall cake candle fence lamp robot snowman airplane"
)

OWN_WORDS = (
    ("winter_snow", "Blanket the grassy meadow and the bushes in fresh white snow."),
    ("autumn", "Turn the bushes and the meadow into warm autumn shades of orange and gold."),
    ("blossom", "Make the bushes bloom in soft cherry pink."),
    ("frost", "Coat the grass and the bushes with a thin layer of silvery frost."),
    ("parched", "Dry out the meadow so that the grass looks yellow and parched."),
    ("low_key", "Darken the meadow so that the rabbit stands in deep, moody shadow."),
    ("vignette", "Fade the edges of the frame into darkness around the rabbit."),
    ("night", "Transform the morning meadow into a dark moonlit night."),
    ("golden_hour", "Bathe the rabbit and the meadow in the low golden light of late afternoon."),
    ("dawn", "Shift the scene to the first pale light of dawn."),
    ("fog", "Wrap the meadow in thick white fog that hides the tree behind the rabbit."),
    ("overcast", "Make the sky overcast and the light flat and gray."),
    ("watercolour", "Paint the whole meadow as a delicate watercolor with soft washes."),
    ("pencil_sketch", "Redraw the rabbit and its burrow as a graphite pencil sketch."),
    ("oil_painting", "Render the scene as a classical oil painting with thick brush strokes."),
    ("black_and_white", "Convert the clip to high-contrast black and white."),
    ("pencil_background", "Turn everything behind the rabbit into a pencil drawing."),
    ("night_around", "Darken the meadow behind the rabbit to night while leaving the rabbit lit."),
    ("heat_map", "Show the rabbit as a thermal camera would see it."),
    ("light_subject", "Light the rabbit alone with a warm amber glow."),
)
"""As a model would write for the first caption: a look and words for it that are not the catalogue's."""


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A catalogue text, the setting it is for, and the place of its phrasing."""

    text: str
    edit_type: str
    look: str
    setting: str
    phrasing: int


def main() -> None:
    """Print the tables."""
    sentences = _sentences(Catalogue.load())
    refused = Counter(
        problem.split(";")[0].split("'")[0] for each in sentences for problem in problems_of_form(each.text, Form())[:1]
    )
    print(f"form: {1 - refused.total() / len(sentences):.3f} of {len(sentences)} catalogue sentences pass; refused:")
    for problem, count in refused.most_common():
        print(f"{count:6}  {problem}")
    embedder = BgeSmallEmbedder()
    vectors = dict(zip((each.text for each in sentences), embedder.embed([s.text for s in sentences]), strict=True))
    print("about: least, margin, right ones that pass, wrong ones that are refused")
    cases = _cases(sentences, vectors)
    for least in (0.2, LEAST, 0.3, 0.35):
        for margin in (0.0, MARGIN, 0.08, 0.1, 9.0):
            right = np.mean([not likeness.problem(text, 0, least, margin) for text, likeness in cases])
            wrong = np.mean([bool(likeness.problem(text, 1, least, margin)) for text, likeness in cases])
            print(f"{least:6.2f}{margin:6.2f}{right:8.3f}{wrong:8.3f}")
    stands, refused_elsewhere = _own_words(Catalogue.load(), embedder)
    print(f"about, {len(OWN_WORDS)} texts in words of their own: {stands:.3f} pass as the look they are for, ", end="")
    print(f"{refused_elsewhere:.3f} are refused as another look of the type")
    print("grounded: least, things there under another word that pass, things not there that are refused")
    there = [(caption, thing) for caption, things in CAPTIONS.items() for thing in things.split()]
    absent = [(caption, thing) for caption in CAPTIONS for thing in ABSENT.split()]
    for least in (0.55, 0.6, 0.65, 0.7):
        passed = np.mean([not _missing(caption, thing, embedder, least) for caption, thing in there])
        caught = np.mean([_missing(caption, thing, embedder, least) for caption, thing in absent])
        print(f"{least:6.2f}{passed:8.3f}{caught:8.3f}   of {len(there)} and {len(absent)}")


def _own_words(catalogue: Catalogue, embedder: BgeSmallEmbedder) -> tuple[float, float]:
    """Over texts: the share that stands for its look, all looks of its type offered; and that is refused for others."""
    right: list[bool] = []
    wrong: list[bool] = []
    for look, text in OWN_WORDS:
        kind = catalogue.looks[look].edit_type
        options = [
            EditOption(name=name, scope=entry.scope, words=tuple(each.text for each in entry.instructions(name)))
            for name, entry in catalogue.looks.items()
            if entry.edit_type == kind
        ]
        likeness = Likeness(options, embedder.embed)
        for place, option in enumerate(options):
            stands = not likeness.problem(text, place) and not problems_of_form(text, Form())
            (right if option.name == look else wrong).append(stands)
    return float(np.mean(right)), 1 - float(np.mean(wrong))


def _missing(caption: str, thing: str, embedder: BgeSmallEmbedder, least: float) -> bool:
    return bool(ungrounded(f"Make the {thing} red.", [caption], embedder.embed, least))


def _sentences(catalogue: Catalogue) -> list[Sentence]:
    found = []
    seen: Counter[str] = Counter()
    for look, entry in catalogue.looks.items():
        for each in entry.instructions(look):
            setting = f"{look} {sorted(each.parameters.items())!r}"
            found.append(
                Sentence(text=each.text, edit_type=each.edit_type, look=look, setting=setting, phrasing=seen[setting])
            )
            seen[setting] += 1
    return found


def _cases(sentences: Sequence[Sentence], vectors: Mapping[str, NDArray[np.float32]]) -> list[tuple[str, Likeness]]:
    """Each text with its own setting first, a wrong one second, and more wrong ones."""
    chance = random.Random(0)
    by_setting: dict[str, list[Sentence]] = defaultdict(list)
    for each in sentences:
        by_setting[each.setting].append(each)

    def option(setting: str, of: Sentence) -> EditOption:
        # The same phrasing of another colour would be nearer than any words of a writer's own.
        rest = [s for s in by_setting[setting] if not (s.look == of.look and s.phrasing == of.phrasing)]
        return EditOption(name=setting, scope="global", words=tuple(s.text for s in rest))

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([vectors[text] for text in texts])

    cases = []
    for each in sentences:
        same_type = sorted({s.setting for s in sentences if s.edit_type == each.edit_type} - {each.setting})
        settings = [each.setting, *chance.sample(same_type, min(OTHERS, len(same_type)))]
        options = [found for setting in settings if (found := option(setting, each)).words]
        if len(options) > 1 and options[0].name == each.setting:
            cases.append((each.text, Likeness(options, embed)))
    return cases


if __name__ == "__main__":
    main()
