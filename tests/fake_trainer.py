"""A program that speaks as the trainer does, through the same arguments, files and exit codes, and trains nothing.

python tests/fake_trainer.py PACE FATE --data DATASET --out OUT --recipe R [...]

PACE is the seconds of a step. FATE is `done`, `fails` at its third step, `full` of its disk then, `killed` by a
signal then, `deaf` to being asked to stop, or `on_gpus`: done, as if on four. It resumes at the step it saved.
"""

import argparse
import errno
import json
import os
import signal
import sys
import time
from pathlib import Path

STEPS = 6


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("pace", type=float)
    parser.add_argument("fate")
    for name in ("--data", "--out", "--recipe", "--cache"):
        parser.add_argument(name, required=True)
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_intermixed_args()
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    stop = []
    if options.fate == "deaf":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGINT, lambda number, frame: stop.append(number))
    (out / "gpus.json").write_text(json.dumps({"gpus": 4 if options.fate == "on_gpus" else 0}))
    saved = out / "saved.json"
    first = json.loads(saved.read_text())["step"] + 1 if saved.exists() else 1
    frozen = out / "snapshot.jsonl"
    if not frozen.exists():
        lines = [path.read_text() for path in sorted(Path(options.data).glob("*/metadata.jsonl"))]
        frozen.write_text("".join(lines))
    with (out / "begun.jsonl").open("a") as begun:
        begun.write(json.dumps({"first": first, "arguments": sys.argv[3:]}) + "\n")
    for step in range(first, STEPS + 1):
        time.sleep(options.pace)
        with (out / "log.jsonl").open("a") as log:
            log.write(json.dumps({"step": step, "loss": 1 / step, "samples_per_second": 1.0}) + "\n")
        saved.write_text(json.dumps({"step": step}))
        if step == 3 and options.fate == "fails":
            print("something that was said before\nerror: the data is broken; mend it", file=sys.stderr)
            return 1
        if step == 3 and options.fate == "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if step == 3 and options.fate == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if stop:
            print("error: stopped", file=sys.stderr)
            return 1
    (out / "editto.json").write_text("{}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
