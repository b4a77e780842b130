"""A program that starts two workers as torchrun does: each in a session of its own and without inherited files.

python tests/fake_launcher.py FATE --data DATASET --out OUT --recipe R [...]

FATE is `waits` for its workers, which end after a minute, or `dies`, killed by a signal once they are at work. A signal
to stop it passes on, as torchrun does; the workers do not hear it.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

WORKER = "import signal, sys, time; signal.signal(2, signal.SIG_IGN); open(sys.argv[1], 'w').close(); time.sleep(60)"


def main() -> int:
    fate, out = sys.argv[1], Path(sys.argv[sys.argv.index("--out") + 1])
    out.mkdir(parents=True)
    at_work = [out / f"worker-{number}" for number in range(2)]
    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER, str(path)], env=os.environ.copy(), start_new_session=True)
        for path in at_work
    ]

    def pass_on(number: int, frame: object) -> None:
        for worker in workers:
            os.killpg(worker.pid, number)

    signal.signal(signal.SIGINT, pass_on)
    while not all(path.exists() for path in at_work):
        time.sleep(0.02)
    (out / "saved.json").write_text("{}")
    if fate == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    for worker in workers:
        worker.wait()
    return 1


if __name__ == "__main__":
    sys.exit(main())
