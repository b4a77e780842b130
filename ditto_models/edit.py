"""Edit a clip as an instruction says, with a trained Editto.

python -m ditto_models.edit CLIP --instruction TEXT --model CKPT --out FILE [--seed S] [--steps N] [--guidance G]
The result has the clip's size, frames, moments and sound; long clips are made in overlapping windows.

Exit code: 0 done; 2 bad arguments, or a clip that cannot be read; 1 anything else, with no file left behind.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ditto_models.command import CommandError, CommandFailed, command


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    made = argparse.ArgumentParser(
        prog="python -m ditto_models.edit",
        description="Edit a clip as an instruction says. The result has the clip's size, frames, moments and sound.",
        epilog="Exit code: 0 done; 2 bad arguments, or a clip that cannot be read; 1 anything else.",
    )
    made.add_argument("clip", type=Path, metavar="CLIP", help="a video of any size, length and rate")
    made.add_argument("--instruction", required=True, metavar="TEXT", help='what to change, e.g. "make it snow"')
    made.add_argument(
        "--model", required=True, metavar="CKPT", help="folder that ditto_models.train wrote, or a .safetensors file"
    )
    made.add_argument(
        "--base", metavar="REPO", help="what a .safetensors file was trained of: a hub's name or a folder"
    )
    made.add_argument("--out", required=True, type=Path, metavar="FILE", help="the edited clip: .mp4, .mov or .mkv")
    made.add_argument("--overwrite", action="store_true", help="replace FILE where it is there already")
    made.add_argument("--seed", type=int, default=0, metavar="S", help="another one gives another edit (default: 0)")
    made.add_argument("--steps", type=int, metavar="N", help="more are slower and better (default: 50)")
    made.add_argument(
        "--guidance",
        type=float,
        metavar="G",
        help="how much to stress the instruction; 1 halves the time (default: 5)",
    )
    made.add_argument(
        "--largest",
        metavar="WxHxF",
        help="pixels and frames made at once, at most, e.g. 832x480x81 (default: the nearest size it was trained at)",
    )
    made.add_argument(
        "--carry",
        choices=("frame", "none"),
        default="frame",
        help="whether a later window of a long clip sees a frame of the one before (default: frame)",
    )
    made.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="KEY=VALUE",
        help="change a setting of the model, e.g. placement.offload=group; may be given again",
    )
    made.add_argument("--json", action="store_true", help="for scripts")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = parser().parse_args(arguments)

    return command(lambda: _told(options))


def _told(options: argparse.Namespace) -> int:
    # Loaded late, since `--help` should not wait for networks; and here, where Ctrl-C meanwhile is a line.
    from ditto_models.container import VideoError
    from ditto_models.gpu.geometry import UnfitVideo
    from ditto_models.gpu.network import OutOfMemory

    try:
        return _edit(options)
    except (VideoError, UnfitVideo, OutOfMemory, ArithmeticError) as error:
        raise CommandFailed(str(error)) from error


def _edit(options: argparse.Namespace) -> int:
    from ditto_models.container import VideoError
    from ditto_models.edit_clip import edit_clip
    from ditto_models.edit_model import config_of, sizes_of
    from ditto_models.edit_progress import EditProgress
    from ditto_models.gpu.editto import Editto
    from ditto_models.timeline import timeline_of

    instruction = " ".join(options.instruction.split())
    if not instruction:
        raise CommandError("--instruction is empty; expected what to change, for example 'make it snow'")
    if any("\ud800" <= letter <= "\udfff" for letter in instruction):
        raise CommandError(f"--instruction {instruction[:60]!r} is no UTF-8 text; give it in that encoding")
    if not 0 <= options.seed < 2**63:
        raise CommandError(f"--seed is {options.seed}; expected 0 to {2**63 - 1}")
    sizes = sizes_of(options.model, options.largest)
    settings = list(options.overrides)
    settings += [] if options.steps is None else [f"sampling.num_steps={options.steps}"]
    settings += [] if options.guidance is None else [f"guidance_scale={options.guidance}"]
    config = config_of(options.model, options.base, settings, sizes)
    _check_out(options.clip, options.out, options.overwrite)
    try:
        clip = timeline_of(options.clip)
    except VideoError as error:
        raise CommandError(str(error)) from error
    with EditProgress(config.sampling.num_steps) as progress:
        edited = edit_clip(
            Editto(config), clip, options.out, instruction, options.seed, sizes, options.carry, progress.told
        )
    for text in edited.notes:
        print(f"note: {text}", file=sys.stderr)
    if options.json:
        print(json.dumps(edited.as_json(), indent=1))
        return 0
    moments = "" if edited.is_steady else ", each shown when its source is"
    print(
        f"{edited.out}: {edited.width}x{edited.height}, {edited.frames} frame{'s'[: edited.frames != 1]} at "
        f"{edited.fps:g} a second{moments}, "
        f"sound {edited.sound}; made at {edited.made_width}x{edited.made_height} in {len(edited.windows)} "
        f"window{'s'[: len(edited.windows) > 1]}, {edited.seconds:g} s"
    )
    return 0


def _check_out(clip: Path, out: Path, overwrite: bool) -> None:
    from ditto_models.retold import FORMATS

    if out.suffix.lower() not in FORMATS:
        raise CommandError(f"--out {str(out)!r} is of no format that is written; expected one of {', '.join(FORMATS)}")
    if out.exists() and clip.exists() and out.samefile(clip):
        raise CommandError(f"--out {str(out)!r} is the clip itself; name another file")
    if out.exists() and not (overwrite and out.is_file()):
        raise CommandError(f"--out {str(out)!r} is there already; name another file, or give --overwrite")
    if not out.absolute().parent.is_dir():
        raise CommandError(f"--out {str(out)!r}: there is no folder {str(out.parent)!r}; make it, or name another")


if __name__ == "__main__":
    sys.exit(main())
