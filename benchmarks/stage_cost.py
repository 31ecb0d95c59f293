"""What a stage costs before it does any work: imports, the door, and DVC around it.

In a project whose pipeline has run: `python -m benchmarks.stage_cost`
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

from tickle_core.fingerprint import stage_names

ROUNDS = 3


def main() -> None:
    """Print seconds per stage."""
    print(f"{'python alone':28} {seconds([sys.executable, '-c', 'pass']):.2f} s")
    print(f"{'torch alone':28} {seconds([sys.executable, '-c', 'import torch']):.2f} s")
    door = "from tickle_core.stage import _snapshot; from tickle_core.params import reading; "
    for name in stage_names(Path()):
        code = f"import stages.{name}; {door} _snapshot('{name}', 'late', reading.read())"
        print(f"{'stage ' + name:28} {seconds([sys.executable, '-c', code]):.2f} s")
    nothing_to_do = seconds([sys.executable, "-m", "dvc", "repro"])
    print(f"{'dvc repro with nothing to do':28} {nothing_to_do:.2f} s")


def seconds(command: list[str]) -> float:
    """Median wall time of a command."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


if __name__ == "__main__":
    main()
