"""What every contender of `benchmarks.sae_training` does alike; needs torch and NumPy alone.

A contender is a module that is run in an environment of its own with a task as its argument. It
trains on the task's batches, of which the time counts that passes between getting a batch and
asking for the next, and reports in one line of JSON.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import quantiles

import numpy as np
import torch

WARM_UP_STEPS = 3  # not timed
HELD_OUT = 16_384  # tokens at the end of the file
STATISTICS_TOKENS = 65_536
CHUNK = 1024


@dataclass(frozen=True)
class Task:
    """One training run.

    Attributes
    ----------
    file
        float32 tokens (steps * batch + HELD_OUT, d), .npy.
    option
        Of the contender: its loss, or its precision.
    dead_after
        Tokens without being active after which a latent counts as dead, where there is such a rule.
    """

    file: str
    steps: int
    batch: int
    latents: int
    k: int
    learning_rate: float
    option: str
    dead_after: int

    @classmethod
    def read(cls) -> "Task":
        """The task that this process was given."""
        return cls(**json.loads(sys.argv[1]))

    @property
    def tokens(self) -> np.ndarray:
        """All of the file, not yet in memory."""
        return np.load(self.file, mmap_mode="r")


def first_tokens(task: Task) -> torch.Tensor:
    """Some train tokens to take means and scales from."""
    count = min(STATISTICS_TOKENS, task.steps * task.batch)
    return torch.from_numpy(task.tokens[:count].copy())


def timed_batches(
    task: Task, prepare: Callable[[torch.Tensor], torch.Tensor], seconds: list[float]
) -> Iterator[torch.Tensor]:
    """The batches in order, read and prepared before the clock starts.

    What passes until the next one is asked for is appended to `seconds`.
    """
    tokens = task.tokens
    for start in range(0, task.steps * task.batch, task.batch):
        batch = prepare(torch.from_numpy(tokens[start : start + task.batch].copy()))
        started = time.perf_counter()
        yield batch
        seconds.append(time.perf_counter() - started)


@torch.no_grad()
def report(
    task: Task,
    seconds: list[float],
    prepare: Callable[[torch.Tensor], torch.Tensor],
    run: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
    **more: object,
) -> None:
    """Print tokens per second and, of the held-out tokens, FVU, L0 and share of silent latents.

    FVU is the sum of squared errors over that of distances from the mean per dimension, in
    float64; centring and scaling by `prepare` do not change it.

    Parameters
    ----------
    run
        Prepared tokens (n, d) -> dense latents (n, m), reconstruction (n, d).
    more
        Further entries of the report.
    """
    acts = prepare(torch.from_numpy(task.tokens[-HELD_OUT:].copy()))
    error, active, fired = 0.0, 0, torch.zeros(task.latents, dtype=torch.bool)
    for part in acts.split(CHUNK):
        latents, rebuilt = run(part)
        error += float((rebuilt.double() - part).square().sum())
        active += int((latents > 0).sum())
        fired |= (latents > 0).any(0)
    timed = seconds[WARM_UP_STEPS:]
    slowest, _, fastest = (task.batch / each for each in reversed(quantiles(timed, n=4)))
    content = {
        "tokens_per_second": task.batch * len(timed) / sum(timed),
        "quartiles": [slowest, fastest],
        "fvu": error / float((acts.double() - acts.double().mean(0)).square().sum()),
        "l0": active / len(acts),
        "silent": float((~fired).float().mean()),
    }
    print(json.dumps(content | more))
