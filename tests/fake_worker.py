"""A process that runs a campaign on fakes until it is done or killed.

python -m tests.fake_worker RUN CLIPS TARGET [key.path=value ...]
"""

import sys
from pathlib import Path

from tests.fake_run import fake_profile, run_fake

if __name__ == "__main__":
    print("started", flush=True)
    profile = fake_profile(*sys.argv[4:])
    outcome, _ = run_fake(Path(sys.argv[1]), Path(sys.argv[2]), target=int(sys.argv[3]), profile=profile)
    print(outcome)
