"""A process that embeds texts with a run's own embedder, so that whoever asks need not load it.

python -m agent.instruction_vectors RUN OUT.npy < TEXTS.json      (a JSON list of texts; vectors ND float32, in order)
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from agent.command import CommandFailed, command

NICE = 10
"""A campaign's own work comes first."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    run, out = map(Path, sys.argv[1:] if arguments is None else arguments)
    return command(lambda: _embed(run, out))


def _embed(run: Path, out: Path) -> int:
    import numpy as np

    from agent.context import build_embedder
    from agent.profile import ProfileError
    from agent.run_config import saved_config
    from ditto_models.assets import AssetError
    from ditto_models.vllm_embedder import EmbedderError

    os.nice(NICE)
    texts = json.load(sys.stdin)
    profile = saved_config(run).profile
    try:
        vectors = build_embedder(profile.embedder, profile.servers).embed(texts)
    except (ProfileError, AssetError, EmbedderError) as error:
        raise CommandFailed(str(error)) from error
    np.save(out, np.asarray(vectors, np.float32), allow_pickle=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
