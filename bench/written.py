"""How a served model writes: captions of the sample clips, an instruction of each edit type, and what was refused.

python -m bench.written --base-url http://127.0.0.1:8000/v1 --model NAME [--types 4]

Prints every caption, every instruction with its length beside the one aimed for, and every refused text with its
problem; then the share of answers that stand, at first and after mends. Run it before and after a change of
prompts/writer_*.j2, prompts/caption_system.j2 or of a check.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from langchain_core.tools import BaseTool

from agent.offers import OfferBook, of_catalogue
from ditto_models import assets, video
from ditto_models.embedded.clip_describer import ClipDescriber
from ditto_models.embedded.subject_masker import SubjectMasker
from ditto_models.embedded.text_embedder import BgeSmallEmbedder
from ditto_models.executors.in_process import InProcessExecutor
from ditto_models.vision import VisionConfig, video_parts
from ditto_models.vllm import SamplingConfig, chat_model
from ditto_models.vllm_pool import ServerPool
from ditto_models.vllm_servers import ServersConfig
from memory.artifacts import ArtifactStore
from memory.instructions import InstructionMemory
from memory.sample import Clip, Instruction, Sample
from tools.captioner import Captioner, CaptionerConfig
from tools.catalogue import Catalogue
from tools.catalogue_writer import suiting_from
from tools.describe_clip import describe_clip
from tools.edit_options import catalogue_options
from tools.media import Media
from tools.model_writer import ModelWriter, WriterConfig, WriterGround
from tools.result import ToolError, ToolResult
from tools.shown_clip import shown_clip
from tools.write_instruction import write_instruction
from tools.writer_task import MOST_OPTIONS, words_aimed_for

FRAMES, WIDTH, HEIGHT = 49, 640, 272
SIMILARITY_LIMIT = 0.9


@dataclass(kw_only=True)
class Tally:
    """What became of the instructions that were asked for."""

    texts: list[Instruction] = field(default_factory=list)
    at_first: int = 0
    none: int = 0

    def __str__(self) -> str:
        asked = len(self.texts) + self.none
        return (
            f"{asked} asked for: {self.at_first / asked:.2f} stand at first, {len(self.texts) / asked:.2f} after mends"
        )


def main() -> None:
    """Caption, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-url", required=True, help="of the server, with its path")
    parser.add_argument("--model", required=True, help="name that the server gives the model")
    parser.add_argument("--types", type=int, default=4, help="edit types asked for of each clip")
    parser.add_argument("--family", default="qwen3_vl", help="of the model, for the size of pictures")
    arguments = parser.parse_args()
    vision = VisionConfig.model_validate({"family": arguments.family})
    servers = ServersConfig(base_urls=(arguments.base_url,), model=arguments.model)
    with TemporaryDirectory() as folder:
        print(asyncio.run(_written(Path(folder), servers, vision, arguments.types)))


async def _written(folder: Path, servers: ServersConfig, vision: VisionConfig, types: int) -> Tally:
    catalogue, embedder, executor = Catalogue.load(), BgeSmallEmbedder(), InProcessExecutor(1)
    book = OfferBook(of_catalogue(catalogue))
    memory = InstructionMemory(folder / "memory", embedder, SIMILARITY_LIMIT)
    media, pool, config = Media(ArtifactStore(folder / "artifacts")), ServerPool(servers), WriterConfig()
    captions = CaptionerConfig()
    look = shown_clip(partial(video_parts, config=vision), media, executor)
    captioner = Captioner(chat=chat_model(_sampling(captions), pool), name=servers.model, look=look)
    writer = ModelWriter(
        chat=chat_model(_sampling(config), pool),
        name=servers.model,
        config=config,
        look=look,
        ground=WriterGround(
            options=catalogue_options(suiting_from(catalogue, book.others, book.beside, embedder.embed), MOST_OPTIONS),
            others=book.others,
            nearest=memory.nearest,
            embed=embedder.embed,
        ),
    )
    describe = describe_clip(ClipDescriber(), SubjectMasker(), media, executor, executor, captioner)
    write = write_instruction(writer.propose, memory, writer.name)
    tally = Tally()
    for number, clip in enumerate(_clips(media)):
        sample = Sample(id=f"{number}", seed=100 * number, clip=clip)
        seen: ToolResult = await describe.ainvoke({"sample": sample})
        print(f"\n{Path(clip.uri).name}: {seen.note}")
        described = Sample.model_validate(sample.model_dump() | seen.as_json())
        for step, edit_type in enumerate(book.offers(described).edit_types[:types]):
            await _write(
                write,
                described.model_copy(update={"id": f"{number}-{step}", "seed": 100 * number + step}),
                edit_type,
                tally,
            )
    memory.close()
    executor.close()
    return tally


async def _write(write: BaseTool, sample: Sample, edit_type: str, tally: Tally) -> None:
    try:
        result: ToolResult = await write.ainvoke({"sample": sample, "edit_type": edit_type})
    except ToolError as error:
        tally.none += 1
        print(f"  {edit_type}: none: {error}")
        return
    found = result.changes["instruction"]
    assert isinstance(found, Instruction)
    tally.texts.append(found)
    tally.at_first += "refused" not in result.note
    print(f"  {edit_type}, {len(found.text.split())} words of {words_aimed_for(sample.seed)}: {result.note}")


def _sampling(config: CaptionerConfig | WriterConfig) -> SamplingConfig:
    return SamplingConfig(temperature=config.temperature, max_tokens=config.max_tokens)


def _clips(media: Media) -> Sequence[Clip]:
    found = []
    for path in sorted(assets.sample_clips().iterdir()):
        window = video.read_window(path, 0.0, None, FRAMES, WIDTH, HEIGHT)
        found.append(
            Clip(
                clip_id=path.stem,
                uri=str(path),
                sha256="",
                start_seconds=0.0,
                end_seconds=FRAMES / 25,
                fps=25.0,
                frames=len(window.frames),
                width=WIDTH,
                height=HEIGHT,
                video=media.put_frames(window.frames, 25.0),
            )
        )
    return found


if __name__ == "__main__":
    main()
