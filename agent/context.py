"""The ONE place that chooses concrete classes from a profile. A new variant is a sibling file and a line here.

Those who lead samples, and may be served models, are chosen in leads.py; those who make pixels in makers.py;
what looks at sources in source_models.py.

Imports stand inside the choices: a profile loads what it names and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from agent.choice import choose, config_of, no_settings
from agent.leads import Leads, build_leads
from agent.makers import (
    build_editor,
    build_enhancer,
    build_generator,
    build_masker,
    build_target_masker,
    follows_words,
)
from agent.offers import Repertoire, of_catalogue, of_words
from agent.profile import Component, Profile, ProfileError, ServerGroup
from agent.served import group_of
from ditto_models import base
from ditto_models.executors.base import Executor
from ditto_models.executors.devices import NoDevice, cuda_is_in_use
from ditto_models.executors.in_process import InProcessExecutor
from memory.ledger import Ledger
from tools.catalogue import Catalogue
from tools.critic.of_pair import PairCritic
from tools.critic.protocol import Critic
from tools.edit_types import open_edit_types
from tools.media import Media

if TYPE_CHECKING:
    from ditto_models.embedded.flow_meter import FlowMeter

T = TypeVar("T")
C = TypeVar("C", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Models:
    """Everything with weights, or in place of it."""

    leads: Leads
    embedder: base.TextEmbedder
    masker: base.SubjectMasker
    describer: base.ClipDescriber
    editor: base.KeyFrameEditor
    generator: base.VideoGenerator
    enhancer: base.VideoEnhancer
    critic: Callable[[Media, Ledger], Critic]
    follows_words: bool = False
    """Whether the editor does whatever words it is given; else what the catalogue has."""
    target_masker: base.TargetMasker | None = None

    def names(self) -> dict[str, str]:
        """What filled each slot, for a sample's record."""
        parts = ["embedder", "masker", "describer", "editor", "generator", "enhancer"]
        parts += ["target_masker"] if self.target_masker else []
        own = {part: getattr(self, part).name for part in parts}
        return {"planner": self.leads.planner.name} | own

    @property
    def is_open(self) -> bool:
        """Whether instructions may ask for anything: a model writes, and the editor follows its words."""
        return self.follows_words and self.leads.writer is not None

    def repertoire(self, catalogue: Catalogue) -> Repertoire:
        """What samples can ask for."""
        if self.is_open:
            return of_words(open_edit_types(), self.target_masker is not None)
        return of_catalogue(catalogue)


def build_models(profile: Profile) -> Models:
    """Choose and construct every model of a profile.

    Raises:
        ProfileError: a kind or a setting is unknown.
        AssetError: a bundled weight cannot be had.
    """
    from ditto_models.embedded.flow_meter import FlowMeter

    # One for all: a clip's motion is measured once, however many edits it gets.
    meter = FlowMeter()
    repainted = follows_words(profile.editor)
    return Models(
        leads=build_leads(profile),
        embedder=build_embedder(profile.embedder, profile.servers),
        masker=build_masker(profile.masker),
        describer=_describer(profile.describer),
        editor=build_editor(profile.editor),
        generator=build_generator(profile.generator, meter),
        enhancer=build_enhancer(profile.enhancer, meter),
        critic=_critic(profile.critic, build_safety(profile.safety), meter, repainted),
        follows_words=repainted,
        target_masker=build_target_masker(profile.target_masker),
    )


def build_networks(component: Component) -> Executor:
    """Where networks run that want a GPU.

    Raises:
        ProfileError: a kind or a setting is unknown, or a device is not there.
    """

    def threads() -> Executor:
        no_settings("networks", component)
        return InProcessExecutor(1, holds_gpu=cuda_is_in_use)  # one call at a time, since they share one GPU

    def workers() -> Executor:
        from ditto_models.executors.workers import WorkerExecutor, WorkersConfig

        try:
            return WorkerExecutor(config_of("networks", component, WorkersConfig))
        except NoDevice as error:
            raise ProfileError(f"networks.devices: {error}") from error

    return choose("networks", component, {"threads": threads, "workers": workers})


def build_embedder(component: Component, servers: Mapping[str, ServerGroup]) -> base.TextEmbedder:
    """The embedder of the instruction memory."""

    def bge_small() -> base.TextEmbedder:
        from ditto_models.embedded.text_embedder import BgeSmallEmbedder, BgeSmallEmbedderConfig

        return BgeSmallEmbedder(config_of("embedder", component, BgeSmallEmbedderConfig))

    def vllm() -> base.TextEmbedder:
        from ditto_models.vllm_embedder import VllmEmbedder, VllmEmbedderConfig

        config = config_of("embedder", component, VllmEmbedderConfig)
        return VllmEmbedder(group_of("embedder", config.server, servers), config)

    return choose("embedder", component, {"bge_small": bge_small, "vllm": vllm})


def build_pair_critic(profile: Profile) -> PairCritic:
    """The critic of pairs that no run made.

    Raises:
        ProfileError: a kind or a setting is unknown.
        AssetError: a bundled weight cannot be had.
    """

    def measured() -> PairCritic:
        no_settings("critic", profile.critic)
        return PairCritic(Catalogue.load(), build_masker(profile.masker), build_safety(profile.safety))

    return choose("critic", profile.critic, {"measured": measured})


def _describer(component: Component) -> base.ClipDescriber:
    """Facts are measured, whoever captions."""
    from ditto_models.embedded.clip_describer import ClipDescriber, ClipDescriberConfig

    def measured() -> base.ClipDescriber:
        return ClipDescriber(config_of("describer", component, ClipDescriberConfig))

    def vllm() -> base.ClipDescriber:
        return ClipDescriber(ClipDescriberConfig())

    return choose("describer", component, {"measured": measured, "vllm": vllm})


def _critic(
    component: Component, safety: base.SafetyClassifier, meter: FlowMeter, repainted: bool
) -> Callable[[Media, Ledger], Critic]:
    def measured() -> Callable[[Media, Ledger], Critic]:
        from tools.critic.of_sample import SampleCritic

        no_settings("critic", component)
        return lambda media, ledger: SampleCritic(media, ledger, Catalogue.load(), safety, meter, repainted)

    return choose("critic", component, {"measured": measured})


def build_clip(component: Component) -> base.WordPictureEmbedder | None:
    """What holds videos against words in an evaluation; None where nothing does.

    Raises:
        ProfileError: a kind or a setting is unknown.
    """

    def none() -> None:
        no_settings("clip_scores", component)

    def clip() -> base.WordPictureEmbedder:
        from ditto_models.gpu.clip import Clip, ClipConfig

        return Clip(config_of("clip_scores", component, ClipConfig))

    return choose("clip_scores", component, {"none": none, "clip": clip})


def build_safety(component: Component) -> base.SafetyClassifier:
    """What scores how unsafe pictures are."""

    def open_nsfw() -> base.SafetyClassifier:
        from ditto_models.embedded.safety import OpenNsfw, OpenNsfwConfig

        return OpenNsfw(config_of("safety", component, OpenNsfwConfig))

    return choose("safety", component, {"open_nsfw": open_nsfw})
