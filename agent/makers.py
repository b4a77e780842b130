"""Who makes pixels: finds subjects and targets, edits key frames, makes and enhances videos, as the profile says.

Part of context.py, the one place that chooses concrete classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.choice import choose, config_of, no_settings
from agent.profile import Component
from ditto_models import base
from tools.target_masks import Changed

if TYPE_CHECKING:
    from ditto_models.embedded.flow_meter import FlowMeter
    from ditto_models.gpu.sam3_masker import Sam3Masker

BY_LOOKS = "looks"
"""The kind of editor that does what the catalogue has, and nothing else."""


def follows_words(editor: Component) -> bool:
    """Whether an editor does whatever words it is given."""
    return editor.kind != BY_LOOKS


def build_masker(component: Component) -> base.SubjectMasker:
    """Who finds the main subject."""

    def selfie() -> base.SubjectMasker:
        from ditto_models.embedded.subject_masker import SubjectMasker, SubjectMaskerConfig

        return SubjectMasker(config_of("masker", component, SubjectMaskerConfig))

    def sam3() -> base.SubjectMasker:
        return _sam3("masker", component)

    return choose("masker", component, {"selfie": selfie, "sam3": sam3})


def build_target_masker(component: Component) -> base.TargetMasker | None:
    """Who finds what words name; None where nobody does."""

    def none() -> None:
        no_settings("target_masker", component)

    def sam3() -> base.TargetMasker:
        return _sam3("target_masker", component)

    return choose("target_masker", component, {"none": none, "sam3": sam3})


def _sam3(slot: str, component: Component) -> Sam3Masker:
    """One network for both slots where their settings are the same."""
    from ditto_models.gpu.network import warmed
    from ditto_models.gpu.sam3_masker import Sam3Masker, Sam3MaskerConfig

    network = warmed(Sam3Masker, config_of(slot, component, Sam3MaskerConfig))
    assert isinstance(network, Sam3Masker)
    return network


def change_finder() -> Changed:
    """What finds where an edit added something."""
    from ditto_models.gpu.changed_region import changed_masks

    return changed_masks


def build_editor(component: Component) -> base.KeyFrameEditor:
    """Who edits key frames."""

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
        BY_LOOKS: looks,
        "qwen_image_edit": qwen_image_edit,
        "qwen_image21": qwen_image21,
        "flux2_klein": flux2_klein,
    }
    return choose("editor", component, kinds)


def build_generator(component: Component, meter: FlowMeter) -> base.VideoGenerator:
    """Who makes videos of edited key frames."""

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

    def editto() -> base.VideoGenerator:
        from ditto_models.gpu.editto import Editto, EdittoConfig

        return Editto(config_of("generator", component, EdittoConfig))

    def ltx2_in_context() -> base.VideoGenerator:
        from ditto_models.gpu.ltx2_in_context import LTX2InContext, LTX2InContextConfig

        return LTX2InContext(config_of("generator", component, LTX2InContextConfig))

    kinds = {
        "lut_flow": lut_flow,
        "flow": flow,
        "table": table,
        "wan_vace": wan_vace,
        "editto": editto,
        "ltx2_in_context": ltx2_in_context,
    }
    return choose("generator", component, kinds)


def build_enhancer(component: Component, meter: FlowMeter) -> base.VideoEnhancer:
    """Who steadies and cleans edited videos."""

    def temporal() -> base.VideoEnhancer:
        from ditto_models.embedded.enhancer import EnhancerConfig, TemporalEnhancer

        return TemporalEnhancer(config_of("enhancer", component, EnhancerConfig), meter)

    def wan22_low_noise() -> base.VideoEnhancer:
        from ditto_models.gpu.wan22_enhancer import Wan22Enhancer, Wan22EnhancerConfig

        return Wan22Enhancer(config_of("enhancer", component, Wan22EnhancerConfig))

    return choose("enhancer", component, {"temporal": temporal, "wan22_low_noise": wan22_low_noise})
