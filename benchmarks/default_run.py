"""Where the time of the default run goes, in multiples of a fixed job measured in the same run.

Machines differ by a factor of two; the multiples do much less. In a project whose pipeline has
run: `python -m benchmarks.default_run` (runs every stage again).
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

TIMINGS = Path(".cache/timings.jsonl")
SIDE, PRODUCTS = 2048, 60
BATCH, CHANNELS, MAP, CONVOLUTIONS = 128, 64, 28, 60


def main() -> None:
    """Print seconds and multiples, per stage and in all."""
    before = reference()
    known = len(TIMINGS.read_text(encoding="utf-8").splitlines())
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "dvc", "repro", "--force"], check=True)
    total = time.perf_counter() - started
    unit = (before + reference()) / 2
    print(f"{'reference job':20} {unit:7.1f} s")
    lines = TIMINGS.read_text(encoding="utf-8").splitlines()[known:]
    stages = {line["stage"]: line["seconds"] for line in map(json.loads, lines)}
    rest = total - sum(stages.values())
    for name, seconds in (stages | {"imports and DVC": rest, "in all": total}).items():
        print(f"{name:20} {seconds:7.1f} s  {seconds / unit:6.2f}")


def reference() -> float:
    """Seconds of a fixed job: float32 matrix products, and convolutions forth and back."""
    matrix = torch.rand(SIDE, SIDE)
    maps = torch.rand(BATCH, CHANNELS, MAP, MAP).contiguous(memory_format=torch.channels_last)
    weight = torch.rand(CHANNELS, CHANNELS, 3, 3, requires_grad=True)
    started = time.perf_counter()
    for _ in range(PRODUCTS):
        matrix @ matrix
    for _ in range(CONVOLUTIONS):
        F.conv2d(maps, weight, padding=1).sum().backward()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
