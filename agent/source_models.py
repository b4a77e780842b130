"""Chooses what looks at sources before they become clips, from a profile; the rest is chosen in context.py.

Imports stand inside the choices: a profile loads what it names and no more.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.choice import choose, config_of, no_settings
from agent.clip_rules import IngestConfig
from agent.context import build_safety
from agent.profile import Component, Profile, ProfileError
from ditto_models import base
from ditto_models.executors.base import Executor
from ditto_models.executors.in_process import InProcessExecutor
from ditto_models.hardware_decoder import CPU, HardwareError, check_device
from ditto_models.look_index import LookIndex


@dataclass(frozen=True, kw_only=True)
class SourceModels:
    """What looks at sources before they become clips; None where the profile does not check for it."""

    text_reader: base.TextReader | None
    safety: base.SafetyClassifier | None
    looks_later: bool
    """Whether a network says what clips look like, from pictures that the decoder hands on."""
    motion_later: bool
    """The same for their motion."""
    device: str
    """What decodes them."""


def build_source_models(profile: Profile) -> SourceModels:
    """Choose and construct what the checks of `clips` need.

    Raises:
        ProfileError: a kind or a setting is unknown.
        AssetError: a bundled weight cannot be had.
    """
    checks = profile.clips.checks
    return SourceModels(
        text_reader=_text_reader(profile.text_reader) if "text" in checks else None,
        safety=build_safety(profile.safety) if "unsafe" in checks else None,
        looks_later="near_duplicate" in checks and profile.fingerprint.kind != "phash",
        motion_later="low_motion" in checks and profile.motion.kind != "dis",
        device=str(profile.decoder.settings.get("device", CPU)),
    )


@dataclass(frozen=True, kw_only=True)
class WindowNetworks:
    """Networks that look at the windows of a source once the decoder is done with it, and the index of their looks."""

    index: LookIndex
    """Of what windows look like, whoever says it."""
    fingerprint: base.PictureEmbedder | None
    """None where a hash says what windows look like."""
    motion: base.FlowEstimator | None
    """None where motion is measured in passing."""


def build_window_networks(profile: Profile) -> WindowNetworks:
    """Choose and construct what says whether windows look alike, and move.

    Raises:
        ProfileError: a kind or a setting is unknown.
    """
    checks = profile.clips.checks
    fingerprint, index = _fingerprint(profile.fingerprint, profile.clips)
    motion = _motion(profile.motion)
    return WindowNetworks(
        index=index,
        fingerprint=fingerprint if "near_duplicate" in checks else None,
        motion=motion if "low_motion" in checks else None,
    )


def build_decoder(component: Component, workers: int) -> Executor:
    """Where files from outside are decoded.

    Raises:
        ProfileError: a kind or a setting is unknown, or the device does not decode.
    """

    def process() -> Executor:
        from ditto_models.executors.isolated import IsolatedConfig, IsolatedExecutor

        config = config_of("decoder", component, IsolatedConfig)
        if config.device != CPU:
            try:
                check_device(config.device)
            except HardwareError as error:
                raise ProfileError(f"decoder.device: {error}") from error
        return IsolatedExecutor(workers, config)

    def thread() -> Executor:
        no_settings("decoder", component)
        return InProcessExecutor(workers)

    return choose("decoder", component, {"process": process, "thread": thread})


def _fingerprint(component: Component, clips: IngestConfig) -> tuple[base.PictureEmbedder | None, LookIndex]:
    def phash() -> tuple[base.PictureEmbedder | None, LookIndex]:
        from ditto_models.embedded.fingerprint import FingerprintIndex

        no_settings("fingerprint", component)
        return None, FingerprintIndex(clips.duplicate_bits)

    def dinov2() -> tuple[base.PictureEmbedder | None, LookIndex]:
        from ditto_models.gpu.dinov2 import Dinov2, Dinov2Config
        from ditto_models.gpu.feature_index import FeatureIndex

        config = config_of("fingerprint", component, Dinov2Config)
        return Dinov2(config), FeatureIndex(config.max_distance)

    return choose("fingerprint", component, {"phash": phash, "dinov2": dinov2})


def _motion(component: Component) -> base.FlowEstimator | None:
    def dis() -> base.FlowEstimator | None:
        no_settings("motion", component)
        return None

    def raft() -> base.FlowEstimator | None:
        from ditto_models.gpu.raft import Raft, RaftConfig

        return Raft(config_of("motion", component, RaftConfig))

    return choose("motion", component, {"dis": dis, "raft": raft})


def _text_reader(component: Component) -> base.TextReader:
    def pp_ocr() -> base.TextReader:
        from ditto_models.embedded.text_reader import TextReader, TextReaderConfig

        return TextReader(config_of("text_reader", component, TextReaderConfig))

    return choose("text_reader", component, {"pp_ocr": pp_ocr})
