"""The ONE place that chooses concrete classes from a profile. A new variant is a sibling file and a line here.

Those who lead samples, and may be served models, are chosen in leads.py.

Imports stand inside the choices: a profile loads what it names and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from agent.choice import choose, config_of, no_settings
from agent.leads import Leads, build_leads
from agent.profile import Component, Profile, ProfileError, ServerGroup
from agent.served import group_of
from ditto_models import base
from ditto_models.executors.base import Executor
from ditto_models.executors.devices import NoDevice, cuda_is_in_use
from ditto_models.executors.in_process import InProcessExecutor
from memory.ledger import Ledger
from tools.critic.of_pair import PairCritic
from tools.critic.protocol import Critic
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

    def names(self) -> dict[str, str]:
        """What filled each slot, for a sample's record."""
        parts = ("embedder", "masker", "describer", "editor", "generator", "enhancer")
        own = {part: getattr(self, part).name for part in parts}
        return {"planner": self.leads.planner.name} | own


def build_models(profile: Profile) -> Models:
    """Choose and construct every model of a profile.

    Raises:
        ProfileError: a kind or a setting is unknown.
        AssetError: a bundled weight cannot be had.
    """
    from ditto_models.embedded.flow_meter import FlowMeter

    # One for all: a clip's motion is measured once, however many edits it gets.
    meter = FlowMeter()
    return Models(
        leads=build_leads(profile),
        embedder=build_embedder(profile.embedder, profile.servers),
        masker=_masker(profile.masker),
        describer=_describer(profile.describer),
        editor=_editor(profile.editor),
        generator=_generator(profile.generator, meter),
        enhancer=_enhancer(profile.enhancer, meter),
        critic=_critic(profile.critic, _safety(profile.safety), meter),
    )


@dataclass(frozen=True, kw_only=True)
class SourceModels:
    """What looks at sources before they become clips; None where the profile does not check for it."""

    text_reader: base.TextReader | None
    safety: base.SafetyClassifier | None


def build_source_models(profile: Profile) -> SourceModels:
    """Choose and construct what the checks of `clips` need.

    Raises:
        ProfileError: a kind or a setting is unknown.
        AssetError: a bundled weight cannot be had.
    """
    checks = profile.clips.checks
    return SourceModels(
        text_reader=_text_reader(profile.text_reader) if "text" in checks else None,
        safety=_safety(profile.safety) if "unsafe" in checks else None,
    )


def build_decoder(component: Component, workers: int) -> Executor:
    """Where files from outside are decoded."""

    def process() -> Executor:
        from ditto_models.executors.isolated import IsolatedConfig, IsolatedExecutor

        return IsolatedExecutor(workers, config_of("decoder", component, IsolatedConfig))

    def thread() -> Executor:
        no_settings("decoder", component)
        return InProcessExecutor(workers)

    return choose("decoder", component, {"process": process, "thread": thread})


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
        from tools.catalogue import Catalogue

        no_settings("critic", profile.critic)
        return PairCritic(Catalogue.load(), _masker(profile.masker), _safety(profile.safety))

    return choose("critic", profile.critic, {"measured": measured})


def _text_reader(component: Component) -> base.TextReader:
    def pp_ocr() -> base.TextReader:
        from ditto_models.embedded.text_reader import TextReader, TextReaderConfig

        return TextReader(config_of("text_reader", component, TextReaderConfig))

    return choose("text_reader", component, {"pp_ocr": pp_ocr})


def _masker(component: Component) -> base.SubjectMasker:
    def selfie() -> base.SubjectMasker:
        from ditto_models.embedded.subject_masker import SubjectMasker, SubjectMaskerConfig

        return SubjectMasker(config_of("masker", component, SubjectMaskerConfig))

    def sam3() -> base.SubjectMasker:
        from ditto_models.gpu.sam3_masker import Sam3Masker, Sam3MaskerConfig

        return Sam3Masker(config_of("masker", component, Sam3MaskerConfig))

    return choose("masker", component, {"selfie": selfie, "sam3": sam3})


def _describer(component: Component) -> base.ClipDescriber:
    """Facts are measured, whoever captions."""
    from ditto_models.embedded.clip_describer import ClipDescriber, ClipDescriberConfig

    def measured() -> base.ClipDescriber:
        return ClipDescriber(config_of("describer", component, ClipDescriberConfig))

    def vllm() -> base.ClipDescriber:
        return ClipDescriber(ClipDescriberConfig())

    return choose("describer", component, {"measured": measured, "vllm": vllm})


def _editor(component: Component) -> base.KeyFrameEditor:
    def looks() -> base.KeyFrameEditor:
        from ditto_models.embedded.key_frame_editor import KeyFrameEditor

        no_settings("editor", component)
        return KeyFrameEditor()

    def qwen_image_edit() -> base.KeyFrameEditor:
        from ditto_models.gpu.qwen_image_edit import QwenImageEditConfig, QwenImageEditor

        return QwenImageEditor(config_of("editor", component, QwenImageEditConfig))

    def qwen_image21() -> base.KeyFrameEditor:
        from ditto_models.gpu.qwen_image21 import QwenImage21Config, QwenImage21Editor

        return QwenImage21Editor(config_of("editor", component, QwenImage21Config))

    def flux2_klein() -> base.KeyFrameEditor:
        from ditto_models.gpu.flux2_klein import Flux2KleinConfig, Flux2KleinEditor

        return Flux2KleinEditor(config_of("editor", component, Flux2KleinConfig))

    kinds = {
        "looks": looks,
        "qwen_image_edit": qwen_image_edit,
        "qwen_image21": qwen_image21,
        "flux2_klein": flux2_klein,
    }
    return choose("editor", component, kinds)


def _generator(component: Component, meter: FlowMeter) -> base.VideoGenerator:
    def lut_flow() -> base.VideoGenerator:
        from ditto_models.embedded.generator import GeneratorConfig, LutFlowGenerator

        return LutFlowGenerator(config_of("generator", component, GeneratorConfig), meter)

    def flow() -> base.VideoGenerator:
        from ditto_models.embedded.flow_generator import FlowGenerator, FlowGeneratorConfig

        return FlowGenerator(config_of("generator", component, FlowGeneratorConfig), meter)

    def table() -> base.VideoGenerator:
        from ditto_models.embedded.table_generator import TableGenerator, TableGeneratorConfig

        return TableGenerator(config_of("generator", component, TableGeneratorConfig), meter)

    def wan_vace() -> base.VideoGenerator:
        from ditto_models.gpu.wan_vace import WanVace, WanVaceConfig

        return WanVace(config_of("generator", component, WanVaceConfig))

    def ltx2_in_context() -> base.VideoGenerator:
        from ditto_models.gpu.ltx2_in_context import LTX2InContext, LTX2InContextConfig

        return LTX2InContext(config_of("generator", component, LTX2InContextConfig))

    kinds = {
        "lut_flow": lut_flow,
        "flow": flow,
        "table": table,
        "wan_vace": wan_vace,
        "ltx2_in_context": ltx2_in_context,
    }
    return choose("generator", component, kinds)


def _enhancer(component: Component, meter: FlowMeter) -> base.VideoEnhancer:
    def temporal() -> base.VideoEnhancer:
        from ditto_models.embedded.enhancer import EnhancerConfig, TemporalEnhancer

        return TemporalEnhancer(config_of("enhancer", component, EnhancerConfig), meter)

    def wan22_low_noise() -> base.VideoEnhancer:
        from ditto_models.gpu.wan22_enhancer import Wan22Enhancer, Wan22EnhancerConfig

        return Wan22Enhancer(config_of("enhancer", component, Wan22EnhancerConfig))

    return choose("enhancer", component, {"temporal": temporal, "wan22_low_noise": wan22_low_noise})


def _critic(component: Component, safety: base.SafetyClassifier, meter: FlowMeter) -> Callable[[Media, Ledger], Critic]:
    def measured() -> Callable[[Media, Ledger], Critic]:
        from tools.catalogue import Catalogue
        from tools.critic.of_sample import SampleCritic

        no_settings("critic", component)
        return lambda media, ledger: SampleCritic(media, ledger, Catalogue.load(), safety, meter)

    return choose("critic", component, {"measured": measured})


def _safety(component: Component) -> base.SafetyClassifier:
    def open_nsfw() -> base.SafetyClassifier:
        from ditto_models.embedded.safety import OpenNsfw, OpenNsfwConfig

        return OpenNsfw(config_of("safety", component, OpenNsfwConfig))

    return choose("safety", component, {"open_nsfw": open_nsfw})
