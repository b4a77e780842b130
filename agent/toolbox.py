"""The tools of a run, each over what it depends on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from langchain_core.tools import BaseTool

from agent.advising import build_advisor
from agent.context import Models
from agent.makers import change_finder
from agent.nodes import is_of_sample
from agent.offers import OfferBook
from agent.profile import Profile
from agent.provenance import provenance
from agent.stores import Stores
from agent.verdicts import failed_axes, judge
from ditto_models.executors.base import Executor
from ditto_models.gpu.network import Network
from memory.sample import Clip, Critique, Provenance, Sample, Verdict
from tools.accept import accept
from tools.catalogue import Catalogue
from tools.catalogue_writer import propose_from, suiting_from
from tools.clip_table import ClipTable
from tools.critique_key_frame import critique_key_frame
from tools.critique_video import critique_video
from tools.describe_clip import describe_clip
from tools.edit_key_frame import edit_key_frame
from tools.edit_options import catalogue_options, open_options
from tools.edit_types import open_edit_types
from tools.enhance_video import enhance_video
from tools.generate_video import generate_video
from tools.key_frame_judging import KeyFrameJudging
from tools.key_frame_maker import KeyFrameMaker
from tools.media import Media
from tools.model_writer import WriterGround
from tools.preview_edits import preview_edits
from tools.propose_edits import propose_edits
from tools.reject import reject
from tools.retry import retry
from tools.sample_clip import GivenClips, sample_clip
from tools.target_masks import TargetMasks
from tools.write_instruction import write_instruction
from tools.writer_task import MOST_OPTIONS


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the tools of a run are made of."""

    profile: Profile
    models: Models
    stores: Stores
    clips: ClipTable
    given: GivenClips
    """Clips that people bring to conversations."""
    are_as_looked_at: Callable[[Clip], bool]
    catalogue: Catalogue
    book: OfferBook
    executor: Executor
    """Where pixels are handled and small models run."""
    networks: Executor
    """Where networks run."""
    decoder: Executor
    """Where files from outside are decoded."""


def toolbox(parts: Parts) -> Mapping[str, BaseTool]:
    """Every tool, by name."""
    models, stores, media, executor = parts.models, parts.stores, parts.stores.media, parts.executor
    policy, book, leads = parts.profile.policy, parts.book, parts.models.leads
    critic = models.critic(media, stores.ledger)
    judged_by = leads.judge(media, executor) if leads.judge else None
    captioner = leads.captioner(media, executor) if leads.captioner else None
    suiting = suiting_from(parts.catalogue, book.others, book.beside, models.embedder.embed)
    ground = WriterGround(
        options=open_options(open_edit_types()) if models.is_open else catalogue_options(suiting, MOST_OPTIONS),
        others=book.others,
        nearest=stores.memory.nearest,
        embed=models.embedder.embed,
    )
    writer = leads.writer(media, executor, ground) if leads.writer else None
    propose = writer.propose if writer else propose_from(suiting)
    served = {"captioner": captioner, "writer": writer, "judge": judged_by}
    names = models.names() | {"critic": critic.name} | {role: one.name for role, one in served.items() if one}

    def made_by() -> Provenance:
        return provenance(names, parts.profile.hash)

    def runner(model: object) -> Executor:
        return parts.networks if isinstance(model, Network) else executor

    def of_key_frame(sample: Sample, critique: Critique) -> Verdict:
        return judge(critique, policy.key_frame_thresholds, combine=policy.combine)

    def of_video(sample: Sample, critique: Critique) -> Verdict:
        return judge(critique, policy.thresholds, combine=policy.combine)

    maker = KeyFrameMaker(
        editor=models.editor,
        media=media,
        executor=executor,
        runner=runner(models.editor),
        targets=target_masks(models, media, executor, runner),
    )
    judging = KeyFrameJudging(critic=critic, rule=of_key_frame, executor=executor, judge=judged_by)
    return {
        "sample_clip": sample_clip(
            parts.clips, parts.given, parts.are_as_looked_at, media.artifacts, parts.decoder, made_by
        ),
        "describe_clip": describe_clip(
            models.describer, models.masker, media, executor, runner(models.masker), captioner
        ),
        "write_instruction": write_instruction(
            propose, stores.memory, writer.name if writer else "catalogue", book.told
        ),
        "edit_key_frame": edit_key_frame(maker),
        "critique_key_frame": critique_key_frame(judging),
        "generate_video": generate_video(models.generator, media, executor, runner(models.generator)),
        "critique_video": critique_video(critic, of_video, failed_axes, executor, judged_by),
        "enhance_video": enhance_video(models.enhancer, media, executor, runner(models.enhancer)),
        "retry": retry(),
        "accept": accept(made_by),
        "reject": reject(),
        "propose_edits": propose_edits(build_advisor(models, parts.catalogue, media, executor)),
        "preview_edits": preview_edits(maker, judging, is_of_sample),
    }


def target_masks(
    models: Models, media: Media, executor: Executor, runner: Callable[[object], Executor]
) -> TargetMasks | None:
    """What finds where local edits are; None where they are of the main subject."""
    if models.target_masker is None:
        return None
    return TargetMasks(
        masker=models.target_masker,
        changed=change_finder(),
        edit_types=open_edit_types(),
        media=media,
        executor=executor,
        runner=runner(models.target_masker),
    )
