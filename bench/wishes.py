"""How well the embedded advisor makes out what people say: python -m bench.wishes [--half odd|even|fresh|last] [--show]

Over wishes.yaml, labelled by hand: `wants` is right where one of the looks comes first, `asks` where nothing is
proposed and a question is asked, `cannot` where it says so, `relative` where the proposal on offer becomes as is said.
All looks suit the clip that is pretended, so that only the matching is measured. The odd half chose the limits of
tools/catalogue_turn.py and catalogue_advisor.py, but the word lists of prompts/wish_words.yaml were written with both
halves in view. The `fresh` wishes were written afterwards, the `last` ones after these: at their first reading 37 of 48
and 24 of 34 were right, which is what to expect of words that nobody has foreseen; then what they showed was mended.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ditto_models.assets import cache_folder
from ditto_models.embedded.text_embedder import BgeSmallEmbedder
from memory.sample import Clip, Description, Instruction, Proposal, Sample
from memory.talk import Said
from tools.advisor import DEFAULT_STRENGTH, Advice
from tools.catalogue import Catalogue
from tools.catalogue_advisor import CatalogueAdvisor
from tools.catalogue_matcher import CatalogueMatcher
from tools.catalogue_replies import CANNOT

WISHES_PATH = Path(__file__).with_suffix(".yaml")
CLIP = Clip(clip_id="c", uri="u", sha256="0", start_seconds=0, end_seconds=2, fps=25, frames=49, width=640, height=360)
FACTS = {
    "lightness": 55.0,
    "contrast": 25.0,
    "colourfulness": 20.0,
    "warmth": 8.0,
    "shadows": 0.1,
    "highlights": 0.02,
    "greenery": 0.4,
    "lights": 0.0,
    "motion": 0.3,
    "detail": 5.0,
    "subject_share": 0.15,
    "subject_stray": 0.01,
    "subject_separation": 30.0,
    "subject_lightness": 45.0,
    "subject_chroma": 8.0,
    "background_lightness": 55.0,
    "background_chroma": 20.0,
}
Wishes = Mapping[str, Sequence[Any]]


class Everything(CatalogueMatcher):
    """A matcher for a clip that all looks suit."""

    def suits(self, instruction: Instruction, facts: Mapping[str, float]) -> bool:
        """It does."""
        return True


@cache
def catalogue() -> Catalogue:
    """The looks."""
    return Catalogue.load()


def open_advisor() -> CatalogueAdvisor:
    """The advisor of the embedded profile over a clip that all looks suit."""
    advisor = CatalogueAdvisor(catalogue(), BgeSmallEmbedder().embed, cache_folder() / "vectors")
    advisor.matcher.__class__ = Everything
    return advisor


def load(half: str = "") -> Wishes:
    """The labelled wishes, or one half of them, or those that were written afterwards."""
    wishes: dict[str, Any] = yaml.safe_load(WISHES_PATH.read_text())
    later = {name: wishes.pop(name) for name in ("fresh", "last")}
    if half in later:
        return dict(later[half])
    first = {"odd": 0, "even": 1}.get(half, 0)
    return {kind: each[first :: 2 if half else 1] for kind, each in wishes.items()}


def asked(advisor: CatalogueAdvisor, words: str, of: Mapping[str, Any] | None = None) -> Advice:
    """The answer to words, where this look is on offer."""
    offered = [_offer(of)] if of else []
    said = [Said(by="person", words="make it so"), Said(by="agent", words="Here."), Said(by="person", words=words)]
    about = Description(caption="", facts=FACTS, masks="")
    sample = Sample(id="s", seed=1, clip=CLIP, description=about, wish=words, proposals=offered, talk=said)
    return advisor.answered(sample)


def wants(advisor: CatalogueAdvisor, label: Mapping[str, Any]) -> tuple[bool, Advice]:
    """Whether the first proposal is one of the looks."""
    advice = asked(advisor, label["says"])
    return bool(advice.ideas) and advice.ideas[0].instruction.look in label["looks"], advice


def asks(advisor: CatalogueAdvisor, words: str) -> tuple[bool, Advice]:
    """Whether there is a question and nothing else."""
    advice = asked(advisor, words)
    return not advice.ideas and "?" in advice.words, advice


def cannot(advisor: CatalogueAdvisor, words: str) -> tuple[bool, Advice]:
    """Whether it says that it cannot."""
    advice = asked(advisor, words)
    return advice.words.startswith((CANNOT, "I have no look for")), advice


def relative(advisor: CatalogueAdvisor, label: Mapping[str, Any]) -> tuple[bool, Advice]:
    """Whether the proposal on offer becomes what the label says."""
    before, advice = _offer(label["of"]), asked(advisor, label["says"], label["of"])
    if not advice.ideas:
        return False, advice
    first = advice.ideas[0]
    same = first.instruction.look == before.instruction.look
    degree = _degree(advisor, first.instruction) - _degree(advisor, before.instruction)
    change = degree or first.strength - before.strength
    right = {
        "stronger": same and change > 0,
        "weaker": same and change < 0,
        "other": not any(idea.instruction.look == before.instruction.look for idea in advice.ideas),
    }
    region = advisor.matcher.region_of(first.instruction)
    return right.get(label["becomes"], region == label["becomes"]), advice


CHECKS: Mapping[str, Callable[[CatalogueAdvisor, Any], tuple[bool, Advice]]] = {
    "wants": wants,
    "asks": asks,
    "cannot": cannot,
    "relative": relative,
}


def _offer(of: Mapping[str, Any]) -> Proposal:
    texts = catalogue().looks[of["look"]].instructions(of["look"])
    wanted = of.get("parameters", {})
    instruction = next(each for each in texts if wanted.items() <= each.parameters.items())
    return Proposal(number=1, instruction=instruction, strength=DEFAULT_STRENGTH)


def _degree(advisor: CatalogueAdvisor, instruction: Instruction) -> int:
    return advisor.matcher.variant_of(instruction)[1].degree


def main() -> None:
    """Say how many are right, and with --show what was answered to the others."""
    parser = argparse.ArgumentParser(prog="python -m bench.wishes", description=__doc__)
    parser.add_argument("--half", choices=["odd", "even", "fresh", "last"], default="")
    parser.add_argument("--show", action="store_true")
    args = parser.parse_args()
    advisor, right, total = open_advisor(), 0, 0
    for kind, labels in load(args.half).items():
        found = [(label, *CHECKS[kind](advisor, label)) for label in labels]
        good = sum(is_right for _, is_right, _ in found)
        right, total = right + good, total + len(found)
        print(f"{kind:10} {good:3} of {len(found)}")
        for label, is_right, advice in found if args.show else ():
            if not is_right:
                looks = [(idea.instruction.look, idea.strength) for idea in advice.ideas]
                print(f"    {label} -> {advice.words} {looks}")
    print(f"{'all':10} {right:3} of {total}, {right / max(1, total):.0%}")


if __name__ == "__main__":
    main()
