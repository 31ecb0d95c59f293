"""TopK SAE training: Tickle against overcomplete and dictionary-learning, in tokens per second.

Same tokens in the same order, width, k, batch and number of steps, one contender at a time, each
in a process and an environment of its own (`benchmarks/peers/` says what each one does). Each is
run at three learning rates. Of a peer its fastest run and its lowest held-out FVU count, even if
they are not the same run; of Tickle the run with the lowest FVU.

    python -m benchmarks.sae_training               # some 45 minutes, 4 GB in TMPDIR
    python -m benchmarks.sae_training --steps 5 --width "64 256"        # a quick look

The peers' environments are made in `.cache/peers` when first needed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.peers.harness import HELD_OUT, WARM_UP_STEPS, Task
from benchmarks.peers.planted import write_tokens

WIDTHS = ["320 2560", "768 6144"]
K, BATCH, STEPS = 32, 4096, 200
FACTORS = (1, 2, 4)  # by which the documented learning rates are multiplied: short runs like more
# Gao et al. 2024, and dictionary-learning. Tokens; more than a run here has, so that AuxK waits.
DEAD_AFTER = 10_000_000
TICKLE = "tickle"
# What pip installs for each peer, beside torch in our own version.
PACKAGES = {
    # 0.3.0 asks matplotlib for a function that 3.9 no longer has.
    "overcomplete": ["overcomplete==0.3.0", "matplotlib<3.9"],
    "dictionary-learning": ["dictionary-learning==0.1.0"],
}
PEAK_SIDE, PEAK_ROUNDS = 4096, 5


@dataclass(frozen=True)
class Contender:
    """Who trains, with which loss or precision, and the learning rate that it documents."""

    name: str
    option: str
    learning_rate: float


def contenders(latents: int) -> list[Contender]:
    """All of them."""
    return [
        Contender("overcomplete", "mse", 5e-4),
        Contender("overcomplete", "auxk", 5e-4),
        Contender("dictionary-learning", "auxk", 2e-4 / (latents / 2**14) ** 0.5),
        Contender(TICKLE, "float32", 1e-3),
        Contender(TICKLE, "bfloat16", 1e-3),
    ]


def main() -> None:
    """Print a line per run, then the ratios, for each width."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", action="append", metavar='"D LATENTS"')
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dead-after", type=int, default=DEAD_AFTER, metavar="TOKENS")
    parser.add_argument("--peers", type=Path, default=Path(".cache/peers"), metavar="DIR")
    asked = parser.parse_args()
    if asked.steps < WARM_UP_STEPS + 2:
        parser.error(f"--steps: the first {WARM_UP_STEPS} are not timed, and quartiles need two")
    pythons = {TICKLE: Path(sys.executable)}
    pythons |= {name: environment(asked.peers / name, PACKAGES[name]) for name in PACKAGES}
    torch.set_num_threads(asked.threads)
    peaks = {name: peak(getattr(torch, name)) for name in ("float32", "bfloat16")}
    print(
        f"{asked.threads} threads; matrix products reach "
        + ", ".join(f"{flops / 1e9:.0f} GFLOP/s in {name}" for name, flops in peaks.items())
    )
    for width in asked.width or WIDTHS:
        d, latents = map(int, width.split())
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "tokens.npy"
            write_tokens(file, asked.steps * BATCH + HELD_OUT, d, 2 * latents, seed=0)
            print(
                f"\n{d} -> {latents}, k {K}, {asked.steps} steps of {BATCH} tokens; dead after "
                f"{asked.dead_after} tokens\n{'contender':30} {'rate':>8} {'tokens/s':>9} "
                f"{'quartiles of steps':>20} {'FVU':>7} {'L0':>5} {'silent':>7}"
            )
            runs: list[tuple[Contender, dict[str, Any]]] = []
            for contender in contenders(latents):
                for rate in (contender.learning_rate * factor for factor in FACTORS):
                    task = Task(
                        file=str(file),
                        steps=asked.steps,
                        batch=BATCH,
                        latents=latents,
                        k=K,
                        learning_rate=rate,
                        option=contender.option,
                        dead_after=asked.dead_after,
                    )
                    run = train(pythons[contender.name], contender.name, task, asked.threads)
                    runs.append((contender, run))
                    print_run(contender, rate, run)
        print_verdict(runs, 2 * BATCH * d * latents, peaks)


def environment(folder: Path, packages: list[str]) -> Path:
    """The Python of a peer's environment, which is made if it is missing."""
    python = folder.absolute() / "bin" / "python"
    if not python.exists():
        print(f"installing {', '.join(packages)} into {folder}", flush=True)
        venv.create(folder, with_pip=True)
        pinned = f"torch=={torch.__version__.partition('+')[0]}"
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages, pinned], check=True)
    return python


def peak(dtype: torch.dtype) -> float:
    """The machine's best rate in a large square product, in FLOP/s."""
    a, b = (torch.randn(PEAK_SIDE, PEAK_SIDE).to(dtype) for _ in range(2))
    times = []
    for _ in range(PEAK_ROUNDS):
        started = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - started)
    return 2 * PEAK_SIDE**3 / min(times)


def train(python: Path, name: str, task: Task, threads: int) -> dict[str, Any]:
    """One run, as the contender reports it."""
    module = f"benchmarks.peers.{name.replace('-', '_')}_topk"
    done = subprocess.run(
        [python, "-m", module, json.dumps(vars(task))],
        env=os.environ | {"OMP_NUM_THREADS": str(threads)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def print_run(contender: Contender, rate: float, run: dict[str, Any]) -> None:
    """A line of the table."""
    low, high = run["quartiles"]
    print(
        f"{contender.name + ' ' + contender.option:30} {rate:8.2g} "
        f"{run['tokens_per_second']:9.0f} {f'{low:.0f} to {high:.0f}':>20} {run['fvu']:7.4f} "
        f"{run['l0']:5.1f} {run['silent']:7.1%}",
        flush=True,
    )


def print_verdict(
    runs: list[tuple[Contender, dict[str, Any]]], flops: int, peaks: dict[str, float]
) -> None:
    """Ratios to the fastest and to the most faithful peer, and where our time goes."""
    peers = [run for contender, run in runs if contender.name != TICKLE]
    fastest = max(run["tokens_per_second"] for run in peers)
    lowest = min(run["fvu"] for run in peers)
    for precision, reached in peaks.items():
        ours = [
            run
            for contender, run in runs
            if (contender.name, contender.option) == (TICKLE, precision)
        ]
        best = min(ours, key=lambda run: run["fvu"])
        rate = best["tokens_per_second"]
        print(
            f"{TICKLE} {precision}: {rate / fastest:.2f} times the fastest peer, FVU "
            f"{best['fvu'] / lowest - 1:+.1%} against the lowest of a peer; its encoder product "
            f"alone would be {flops * rate / BATCH / reached:.0%} of the machine's peak"
        )
        whole = sum(best["parts"].values())
        parts = sorted(best["parts"].items(), key=lambda part: -part[1])
        print(
            f"    {whole:.0f} ms per step: "
            + ", ".join(f"{name} {each:.1f} ({each / whole:.0%})" for name, each in parts)
        )


if __name__ == "__main__":
    main()
