"""The ONE place that chooses concrete classes from a profile. A new variant is a sibling file and a line here.

Imports stand inside the choices: a profile loads what it names and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from agent.planner import PlannerModel
from agent.profile import Component, Profile, ProfileError, first_problem
from ditto_models import base
from ditto_models.executors.base import Executor
from ditto_models.executors.in_process import InProcessExecutor
from memory.ledger import Ledger
from tools.critic.of_pair import PairCritic
from tools.critic.protocol import Critic, Judge
from tools.media import Media

if TYPE_CHECKING:
    from ditto_models.embedded.flow_meter import FlowMeter

T = TypeVar("T")
C = TypeVar("C", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Models:
    """Everything with weights, or in place of it."""

    planner: PlannerModel
    embedder: base.TextEmbedder
    masker: base.SubjectMasker
    describer: base.ClipDescriber
    editor: base.KeyFrameEditor
    generator: base.VideoGenerator
    enhancer: base.VideoEnhancer
    critic: Callable[[Media, Ledger], Critic]
    judge: Callable[[Media, Executor], Judge] | None = None
    """A model beside the critic, where the profile has one."""

    def names(self) -> dict[str, str]:
        """What filled each slot, for a sample's record."""
        parts = ("embedder", "masker", "describer", "editor", "generator", "enhancer")
        return {"planner": self.planner.name} | {part: getattr(self, part).name for part in parts}


def build_models(profile: Profile) -> Models:
    """Choose and construct every model of a profile.

    Raises:
        ProfileError: a kind or a setting is unknown.
        AssetError: a bundled weight cannot be had.
    """
    from ditto_models.embedded.flow_meter import FlowMeter

    _check_writer(profile.writer)
    # One for all: a clip's motion is measured once, however many edits it gets.
    meter = FlowMeter()
    return Models(
        planner=build_planner(profile.planner),
        embedder=build_embedder(profile.embedder),
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

        return IsolatedExecutor(workers, _config("decoder", component, IsolatedConfig))

    def thread() -> Executor:
        _no_settings("decoder", component)
        return InProcessExecutor(workers)

    return _choose("decoder", component, {"process": process, "thread": thread})


def build_planner(component: Component) -> PlannerModel:
    """The planner of a profile."""

    def rules() -> PlannerModel:
        from ditto_models.embedded.planner import RulePlanner

        _no_settings("planner", component)
        return PlannerModel(chat=RulePlanner(), name="rules", is_transient=lambda error: False)

    def vllm() -> PlannerModel:
        from ditto_models.vllm import VllmConfig, chat_model
        from ditto_models.vllm_pool import ServerPool

        config = _config("planner", component, VllmConfig)
        chat = chat_model(config, ServerPool(config.servers()))
        # The pool has tried again whatever is worth it.
        return PlannerModel(chat=chat, name=config.model, is_transient=lambda error: False)

    return _choose("planner", component, {"rules": rules, "vllm": vllm})


def _check_writer(component: Component) -> None:
    def catalogue() -> None:
        _no_settings("writer", component)

    _choose("writer", component, {"catalogue": catalogue})


def build_embedder(component: Component) -> base.TextEmbedder:
    """The embedder of the instruction memory."""

    def bge_small() -> base.TextEmbedder:
        from ditto_models.embedded.text_embedder import BgeSmallEmbedder, BgeSmallEmbedderConfig

        return BgeSmallEmbedder(_config("embedder", component, BgeSmallEmbedderConfig))

    def vllm() -> base.TextEmbedder:
        from ditto_models.vllm_embedder import VllmEmbedder, VllmEmbedderConfig
        from ditto_models.vllm_servers import ServersConfig

        servers, own = component.split(ServersConfig.model_fields)
        return VllmEmbedder(_config("embedder", servers, ServersConfig), _config("embedder", own, VllmEmbedderConfig))

    return _choose("embedder", component, {"bge_small": bge_small, "vllm": vllm})


def build_pair_critic(profile: Profile) -> PairCritic:
    """The critic of pairs that no run made.

    Raises:
        ProfileError: a kind or a setting is unknown.
        AssetError: a bundled weight cannot be had.
    """

    def measured() -> PairCritic:
        from tools.catalogue import Catalogue

        _no_settings("critic", profile.critic)
        return PairCritic(Catalogue.load(), _masker(profile.masker), _safety(profile.safety))

    return _choose("critic", profile.critic, {"measured": measured})


def _text_reader(component: Component) -> base.TextReader:
    def pp_ocr() -> base.TextReader:
        from ditto_models.embedded.text_reader import TextReader, TextReaderConfig

        return TextReader(_config("text_reader", component, TextReaderConfig))

    return _choose("text_reader", component, {"pp_ocr": pp_ocr})


def _masker(component: Component) -> base.SubjectMasker:
    def selfie() -> base.SubjectMasker:
        from ditto_models.embedded.subject_masker import SubjectMasker, SubjectMaskerConfig

        return SubjectMasker(_config("masker", component, SubjectMaskerConfig))

    return _choose("masker", component, {"selfie": selfie})


def _describer(component: Component) -> base.ClipDescriber:
    def measured() -> base.ClipDescriber:
        from ditto_models.embedded.clip_describer import ClipDescriber, ClipDescriberConfig

        return ClipDescriber(_config("describer", component, ClipDescriberConfig))

    return _choose("describer", component, {"measured": measured})


def _editor(component: Component) -> base.KeyFrameEditor:
    def looks() -> base.KeyFrameEditor:
        from ditto_models.embedded.key_frame_editor import KeyFrameEditor

        _no_settings("editor", component)
        return KeyFrameEditor()

    return _choose("editor", component, {"looks": looks})


def _generator(component: Component, meter: FlowMeter) -> base.VideoGenerator:
    def lut_flow() -> base.VideoGenerator:
        from ditto_models.embedded.generator import GeneratorConfig, LutFlowGenerator

        return LutFlowGenerator(_config("generator", component, GeneratorConfig), meter)

    def flow() -> base.VideoGenerator:
        from ditto_models.embedded.flow_generator import FlowGenerator, FlowGeneratorConfig

        return FlowGenerator(_config("generator", component, FlowGeneratorConfig), meter)

    def table() -> base.VideoGenerator:
        from ditto_models.embedded.table_generator import TableGenerator, TableGeneratorConfig

        return TableGenerator(_config("generator", component, TableGeneratorConfig), meter)

    return _choose("generator", component, {"lut_flow": lut_flow, "flow": flow, "table": table})


def _enhancer(component: Component, meter: FlowMeter) -> base.VideoEnhancer:
    def temporal() -> base.VideoEnhancer:
        from ditto_models.embedded.enhancer import EnhancerConfig, TemporalEnhancer

        return TemporalEnhancer(_config("enhancer", component, EnhancerConfig), meter)

    return _choose("enhancer", component, {"temporal": temporal})


def _critic(component: Component, safety: base.SafetyClassifier, meter: FlowMeter) -> Callable[[Media, Ledger], Critic]:
    def measured() -> Callable[[Media, Ledger], Critic]:
        from tools.catalogue import Catalogue
        from tools.critic.of_sample import SampleCritic

        _no_settings("critic", component)
        return lambda media, ledger: SampleCritic(media, ledger, Catalogue.load(), safety, meter)

    return _choose("critic", component, {"measured": measured})


def _safety(component: Component) -> base.SafetyClassifier:
    def open_nsfw() -> base.SafetyClassifier:
        from ditto_models.embedded.safety import OpenNsfw, OpenNsfwConfig

        return OpenNsfw(_config("safety", component, OpenNsfwConfig))

    return _choose("safety", component, {"open_nsfw": open_nsfw})


def _choose(slot: str, component: Component, kinds: Mapping[str, Callable[[], T]]) -> T:
    if component.kind not in kinds:
        raise ProfileError(f"{slot}.kind is {component.kind!r}; expected one of {', '.join(kinds)}")
    return kinds[component.kind]()


def _config(slot: str, component: Component, config: type[C]) -> C:
    try:
        return config.model_validate(component.settings)
    except ValidationError as error:
        raise ProfileError(f"{slot}: {first_problem(error)}") from error


def _no_settings(slot: str, component: Component) -> None:
    if component.settings:
        raise ProfileError(f"{slot} of kind {component.kind!r} has no settings; got {', '.join(component.settings)}")
