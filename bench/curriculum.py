"""Does the modality curriculum help, at a size that a CPU carries? Three arms, three seeds, one budget.

python -m bench.curriculum [--out DIR] [--seed N] [--only ARM] [--json]: an hour or so of one core; what is in DIR is
not run again, so arms can run side by side and a last call draws them together. Pictures: DIR/curriculum.png and
DIR/edits.jpg.

Declared before any arm ran, and not changed after:

- Arms differ in `recipe.curriculum.key_frame` alone: `curriculum` gives the edited key frame always at first and never
  from 40 % of the steps on, evenly in between; `instruction alone` never gives it; `frame always` always does. Base,
  seeds, pairs, batches, noise, steps and learning rate are the same. The budget is 800 steps of 16 samples; a step with
  the frame takes longer, which is not counted.
- First endpoint: flow-matching loss with the instruction alone, on 128 pairs of held-out scenes, at six fixed noise
  levels (middles of equal shares of those that training draws) and fixed noise, of the moving average after the last
  step. Lower is better.
- Second endpoint: edit applied, 1 - |generated - edited| / |source - edited| in pixels, cut to [-1, 1], mean over the
  same pairs; generated with the instruction alone in eight Euler steps from fixed noise, without guidance. Source and
  edited clip are taken as the codec brings them back. Higher is better.
- Reported: mean and standard deviation over three seeds of each arm, and the difference curriculum less instruction
  alone, paired by seed, with its 95 % interval by Student's t. The curriculum helps here if the interval of the first
  endpoint lies below zero, hurts if it lies above; if it holds zero, this test does not tell.
- Looked at beside them, deciding nothing: 128 pairs whose edit of that shape was never trained; loss with the frame;
  edit applied by kind of edit.
- Learning rate: the best of 3e-4, 1e-3 and 3e-3 after 200 steps of the arm `instruction alone` with seed 100, on other
  held-out pairs (bench.curriculum_pilot: 1.014, .902, .826); nothing else was tried.

A second test, declared after the first was seen (no difference between `curriculum` and `instruction alone`, and no arm
had learnt to edit: edit applied below zero): `--steps 2400`, three times the budget, everything else and the endpoints
as above, the key frame annealed over the same 40 % of the steps. It is reported beside the first, whatever it says.

A third, declared after the second (the curriculum .0095 of loss ahead, at 10 % more computing): is that the computing?
`--steps 2400 --seed 3 ... --seed 7 --only curriculum --only "instruction alone, longer"`: five seeds that no test had,
and as the other arm the instruction alone for 2,640 steps, which passes as many tokens through the network. Endpoints
and the rule as above, for curriculum less instruction alone, longer.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from bench.curriculum_arms import ArmResult, Data, folder_of, run_arm
from bench.curriculum_base import trained_base
from bench.curriculum_clips import pairs, render
from bench.curriculum_codec import peak_signal_to_noise
from bench.curriculum_measures import T_97_5, difference
from bench.curriculum_pairs import fitted_codec
from bench.curriculum_setting import ARMS, LONGER, Setting

CODEC_TEST_SEED = 2_000_001


def run(setting: Setting, out: Path, say: Callable[[str], None], arms: Sequence[str] = ARMS) -> list[ArmResult]:
    """All arms, seed by seed, so that an interruption leaves whole comparisons."""
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    codec = fitted_codec(setting.codec_clips)
    unseen = [render(each.edited) for each in pairs(CODEC_TEST_SEED, 64)]
    say(f"codec: {peak_signal_to_noise(codec, unseen):.1f} dB on clips it was not fitted to")
    base = trained_base(out / "base", codec, setting.noise, setting.base_steps, setting.base_clips, say)
    data = Data(setting, codec)
    return [
        run_arm(setting, arm, seed, base, data, out / folder_of(arm, seed), say)
        for seed in setting.seeds
        for arm in arms
    ]


def table(results: Sequence[ArmResult]) -> str:
    """In Markdown, with the declared differences below it."""
    columns = ("loss", "applied", "loss_with_key", "loss_of_new", "applied_of_new", "seconds")
    names = ("held-out loss", "edit applied", "loss with the frame", "loss, new", "applied, new", "seconds")
    lines = ["| arm | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for arm in (*ARMS, LONGER):
        of_arm = [result for result in results if result.arm == arm]
        if of_arm:
            lines.append(f"| {arm} | " + " | ".join(_cell(of_arm, column) for column in columns) + " |")
    for other in ("instruction alone", LONGER):
        for column, name in (("loss", "held-out loss"), ("applied", "edit applied")):
            both = [
                [getattr(result, column) for result in results if result.arm == arm] for arm in ("curriculum", other)
            ]
            if len(both[0]) == len(both[1]) > 1:
                found = difference(*both)
                lines.append(
                    f"\n{name}, curriculum less {other}: {found.mean:+.4f} (95 % {found.low:+.4f} to "
                    f"{found.high:+.4f}, n={len(both[0])})"
                )
    return "\n".join(lines)


def _cell(results: Sequence[ArmResult], column: str) -> str:
    values = np.array([getattr(result, column) for result in results])
    if column == "seconds":
        return f"{values.mean():.0f}"
    return f"{values.mean():.4f} ± {values.std(ddof=1):.4f}" if len(values) > 1 else f"{values.mean():.4f}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.curriculum", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--out", type=Path, default=Path("curriculum"), help="folder of all it makes")
    parser.add_argument("--seed", type=int, action="append", help="only this one; may be given several times")
    parser.add_argument("--only", choices=(*ARMS, LONGER), action="append", help="an arm; may be given several times")
    parser.add_argument("--steps", type=int, default=800, metavar="N", help="of each arm (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the results as one JSON object")
    arguments = parser.parse_args()
    setting = Setting(steps=arguments.steps)
    if arguments.seed is not None:
        setting = setting.model_copy(update={"seeds": tuple(dict.fromkeys(arguments.seed))})
    if len(setting.seeds) > max(T_97_5):
        parser.error(f"{len(setting.seeds)} seeds; expected at most {max(T_97_5)}, for more the interval is not known")
    arguments.out.mkdir(parents=True, exist_ok=True)
    results = run(setting, arguments.out, _say, arguments.only or ARMS)
    from bench.curriculum_pictures import draw_curves, draw_edits

    draw_curves(setting, results, arguments.out / "curriculum.png")
    draw_edits(setting, results, arguments.out, arguments.out / "edits.jpg")
    if arguments.json:
        print(json.dumps({"setting": setting.model_dump(), "results": [result.model_dump() for result in results]}))
    else:
        print(table(results))


if __name__ == "__main__":
    main()
