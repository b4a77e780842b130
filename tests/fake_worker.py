"""A process that runs a campaign on fakes until it is done or killed.

Every third sample is rejected, and snapshots of the ledger are taken all the time, so that a kill may meet either.

python -m tests.fake_worker RUN CLIPS TARGET [key.path=value ...]
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from memory import backup
from memory.sample import Sample
from tests.fake_run import fake_models, fake_profile, run_fake


def values(sample: Sample) -> Mapping[str, float | None]:
    return {"safety": 0.1} if int(sample.id[:6]) % 3 == 1 else {}


if __name__ == "__main__":
    print("started", flush=True)
    backup.LEAST_TAIL_BYTES, backup.PERIOD_SECONDS = 2000, 0.05
    profile = fake_profile(*sys.argv[4:])
    models = fake_models(profile, values=values)
    outcome, _ = run_fake(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), profile=profile, models=models)
    print(outcome)
