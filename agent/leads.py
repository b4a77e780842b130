"""Who leads samples: planner, captioner, writer and judge, each a served model or not, as the profile says.

Part of context.py, the one place that chooses concrete classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent.choice import choose, config_of, no_settings
from agent.planner import PlannerModel, ServedPlannerConfig
from agent.profile import Component, Profile, ProfileError
from agent.served import ServedModels
from ditto_models.executors.base import Executor
from ditto_models.vllm import is_of_server
from tools.captioner import Captioner, CaptionerConfig
from tools.critic.axes import MODEL_AXES
from tools.critic.model_judge import JudgeConfig, ModelJudge
from tools.critic.model_of_sample import ModelSampleJudge
from tools.critic.protocol import Judge
from tools.instruction_grounding import Embed
from tools.media import Media
from tools.model_advisor import ModelAdvisor
from tools.model_writer import ModelWriter, WriterConfig, WriterGround
from tools.shown_clip import shown_clip
from tools.talk_task import TalkOptions

if TYPE_CHECKING:
    from ditto_models.vllm_pool import ServerPool


@dataclass(frozen=True, kw_only=True)
class Leads:
    """What leads samples and may be a served model: who plans, captions, writes and judges."""

    planner: PlannerModel
    captioner: Callable[[Media, Executor], Captioner] | None = None
    writer: Callable[[Media, Executor, WriterGround], ModelWriter] | None = None
    """In place of the catalogue's own words."""
    advisor: Callable[[Media, Executor, TalkOptions, Embed], ModelAdvisor] | None = None
    """In conversations, in place of the catalogue's."""
    judge: Callable[[Media, Executor], Judge] | None = None
    """Beside the critic."""
    pools: tuple[ServerPool, ...] = ()
    """Of the servers that are asked."""


def build_leads(profile: Profile, served: ServedModels | None = None) -> Leads:
    """Choose who leads; `served` are other models than the profile's servers give, for example ones that are timed.

    Raises:
        ProfileError: a kind or a setting is unknown, or a component asks servers that the profile does not name.
    """
    served = served or ServedModels(profile.servers)
    leads = Leads(
        planner=_planner(profile.planner, served),
        captioner=_captioner(profile.describer, served),
        writer=_writer(profile.writer, served),
        advisor=_advisor(profile.writer, served),
        judge=_judge(profile, served),
    )
    return replace(leads, pools=served.pools)


def _planner(component: Component, served: ServedModels) -> PlannerModel:

    def rules() -> PlannerModel:
        from ditto_models.embedded.planner import RulePlanner

        no_settings("planner", component)
        return PlannerModel(chat=RulePlanner(), name="rules")

    def vllm() -> PlannerModel:
        config = config_of("planner", component, ServedPlannerConfig)
        model = served.model("planner", config.server, config.temperature, config.max_tokens)
        return PlannerModel(chat=model.chat, name=model.name, show=model.show_picture)

    return choose("planner", component, {"rules": rules, "vllm": vllm})


def _captioner(component: Component, served: ServedModels) -> Callable[[Media, Executor], Captioner] | None:
    if component.kind != "vllm":
        return None
    config = config_of("describer", component, CaptionerConfig)
    model = served.model("describer", config.server, config.temperature, config.max_tokens)
    return lambda media, executor: Captioner(
        chat=model.chat, name=model.name, look=shown_clip(model.show_clip, media, executor)
    )


def _writer(
    component: Component, served: ServedModels
) -> Callable[[Media, Executor, WriterGround], ModelWriter] | None:
    def catalogue() -> None:
        no_settings("writer", component)

    def vllm() -> Callable[[Media, Executor, WriterGround], ModelWriter]:
        config = config_of("writer", component, WriterConfig)
        model = served.model("writer", config.server, config.temperature, config.max_tokens)
        return lambda media, executor, ground: ModelWriter(
            chat=model.chat,
            name=model.name,
            config=config,
            look=shown_clip(model.show_clip, media, executor),
            ground=ground,
        )

    return choose("writer", component, {"catalogue": catalogue, "vllm": vllm})


def _advisor(
    component: Component, served: ServedModels
) -> Callable[[Media, Executor, TalkOptions, Embed], ModelAdvisor] | None:
    """Who writes instructions talks with people too."""
    if component.kind != "vllm":
        return None
    config = config_of("writer", component, WriterConfig)
    model = served.model("writer", config.server, config.temperature, config.talk_tokens)
    return lambda media, executor, options, embed: ModelAdvisor(
        chat=model.chat,
        name=model.name,
        config=config,
        look=shown_clip(model.show_clip, media, executor),
        options=options,
        embed=embed,
    )


def _judge(profile: Profile, served: ServedModels) -> Callable[[Media, Executor], Judge] | None:
    judge, policy = build_judge(profile, served), profile.policy
    if judge is None:
        return None
    return lambda media, executor: ModelSampleJudge(
        judge=judge,
        media=media,
        executor=executor,
        key_frame_axes=[axis for axis in MODEL_AXES if axis in policy.key_frame_thresholds],
        video_axes=[axis for axis in MODEL_AXES if axis in policy.thresholds],
        is_of_server=is_of_server,
    )


def build_judge(profile: Profile, served: ServedModels) -> ModelJudge | None:
    """The model that judges, over plain videos; None where the profile has none.

    Raises:
        ProfileError: a kind or a setting is unknown, or thresholds and judge do not fit each other.
    """
    asked = [
        axis for axis in MODEL_AXES if axis in {**profile.policy.thresholds, **profile.policy.key_frame_thresholds}
    ]

    def none() -> None:
        no_settings("judge", profile.judge)
        if asked:
            raise ProfileError(f"judge.kind is 'none', yet policy has thresholds for {', '.join(asked)}; drop them")

    def vllm() -> ModelJudge:
        config = config_of("judge", profile.judge, JudgeConfig)
        if not asked:
            axes = ", ".join(MODEL_AXES)
            raise ProfileError(
                f"judge.kind is 'vllm', yet policy.thresholds has no axis of a model; give some of {axes}"
            )
        model = served.model("judge", config.server, config.temperature, config.max_tokens)
        return ModelJudge(
            chat=model.chat, name=model.name, config=config, show=model.show_clip, show_still=model.show_picture
        )

    return choose("judge", profile.judge, {"none": none, "vllm": vllm})
