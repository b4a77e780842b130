"""Chooses the learning rate of the test of the curriculum: the arm `instruction alone`, another seed, other pairs.

python -m bench.curriculum_pilot --out DIR --rate 1e-3 [--steps 300]: held-out loss of that rate, on pairs that count
for nothing else.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.curriculum_arms import PILOT, Data, run_arm
from bench.curriculum_base import trained_base
from bench.curriculum_pairs import fitted_codec
from bench.curriculum_setting import Setting

SEED = 100


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the test, with its base")
    parser.add_argument("--rate", type=float, required=True, help="learning rate")
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    setting = Setting(learning_rate=arguments.rate, steps=arguments.steps, look_every=100)
    codec = fitted_codec(setting.codec_clips)

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    base = trained_base(arguments.out / "base", codec, setting.noise, setting.base_steps, setting.base_clips, say)
    folder = arguments.out / f"pilot-{arguments.rate:g}"
    found = run_arm(setting, "instruction alone", SEED, base, Data(setting, codec, PILOT), folder, say)
    print(
        f"rate {arguments.rate:g}: held-out loss {found.loss:.4f}, applied {found.applied:.4f}, {found.seconds:.0f} s"
    )


if __name__ == "__main__":
    main()
