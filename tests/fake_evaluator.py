"""A program that speaks as agent.evaluate --json does, with the figures that it was given.

python tests/fake_evaluator.py BY_EDIT_TYPE_JSON --data DATASET --model CKPT [...]
"""

import argparse
import json
import sys
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("figures")
    parser.add_argument("--json", action="store_true")
    for name in ("--data", "--model", "--split", "--most", "--html", "--profile"):
        parser.add_argument(name, required=True)
    options = parser.parse_args()
    assert Path(options.profile).is_file()
    if options.figures == "broken":
        print("error: no test pairs", file=sys.stderr)
        return 2
    figures = json.loads(options.figures)
    nothing: dict[str, object] = {"clip_t": None, "clip_f": None, "vlm": None, "axes": {}}
    by_type = {kind: {"pairs": pairs, "passed": passed, **nothing} for kind, (pairs, passed) in figures.items()}
    print(json.dumps({"overall": {"pairs": sum(pairs for pairs, _ in figures.values())}, "by_edit_type": by_type}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
