"""Whether a network gives an image the same activations whatever else it is given.

All analyses take an image's activations for its own: they do not depend on the images beside it, on
what was computed before, or on what other threads compute at the same time. Here this is measured.
"""

import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import torch
from torch import nn

from tickle_core.errors import TickleError
from tickle_core.models.hooks import hooked
from tickle_core.models.parallel import workers

IMAGES = 4  # a batch: enough to tell whether they reach one another
ALONE = 2  # of them, one by one
BATCHES = 2  # of each thread
SWITCHES = 1e-6  # seconds until Python may go on with another thread
# Of an output's norm. Sums in another order differ by 1e-6, in TensorFloat-32 by some 1e-3.
TOLERANCE = 0.01
PATIENCE = 60  # seconds that a thread waits for the others; then all go on as they may
LOGITS = "the logits"

# What a line says: which two passes differ, and what is usually behind it.
CHANCE = (
    "run twice with the same images, it differs",
    "chance that evaluation mode does not switch off, such as functional dropout",
)
STATE = (
    "run twice with the same images and the same random numbers, it differs",
    "state that is kept from one call to the next",
)
BATCH = (
    "an image alone gives something else than in a batch",
    "statistics of the batch, or sums over it",
)
THREADS = (
    "in threads, an image gives something else",
    "values that the forward pass keeps in the module, where threads overwrite one another's",
)


def require(network: nn.Module, images: torch.Tensor, layers: Sequence[str]) -> None:
    """Refuse a network that does not give an image the same activations each time.

    The first `IMAGES` images are run as a batch, again, one by one, and in as many threads as
    activations are extracted in, which wait for one another after every layer: what one keeps in
    the module then meets another's. Of each layer's output, its norm and its product with random
    signs are compared: memory holds one output at a time.

    Parameters
    ----------
    network
        In evaluation mode.
    images
        Preprocessed (N, C, H, W).
    layers
        Module paths, in order of execution; each is called once and returns one tensor.

    Raises
    ------
    TickleError
        Naming the first layer that differs, what it differs between, and what may be behind it.
    """
    images = images[:IMAGES]
    passes = _Passes(network, layers)
    with passes.hooked(), torch.random.fork_rng(devices=[]):
        first = passes.run(images, seed=0)
        _require_equal(first, passes.run(images, seed=0), STATE)
        _require_equal(first, passes.run(images, seed=1), CHANCE)
        for row in range(min(ALONE, len(images))):
            _require_equal(_rows(first, [row]), passes.run(images[row : row + 1], seed=0), BATCH)
        with workers(images.device) as (pool, count), _switching_often():
            passes.together = threading.Barrier(count, timeout=PATIENCE)
            for _ in range(BATCHES):
                orders = [_turned(len(images), turn) for turn in range(count)]
                jobs = [pool.submit(passes.run, images[order]) for order in orders]
                for order, job in zip(orders, jobs, strict=True):
                    _require_equal(_rows(first, order), _result(job), THREADS)


def _result(job: Future) -> dict[str, torch.Tensor]:
    """What a thread's pass gave; nothing if it failed, as passes do that find another's values."""
    return {} if job.exception() else job.result()


class _Passes:
    """Forward passes that note, per layer, (N, 2): the norm of each image's output, and its product
    with random signs.
    """

    def __init__(self, network: nn.Module, layers: Sequence[str]):
        self.network, self.layers = network, layers
        self.together: threading.Barrier | None = None  # where threads wait after every layer
        self._signs: dict[int, torch.Tensor] = {}
        self._thread = threading.local()

    def hooked(self) -> AbstractContextManager[None]:
        return hooked(self.network, self.layers, self._note)

    def run(self, images: torch.Tensor, seed: int | None = None) -> dict[str, torch.Tensor]:
        if seed is not None:
            torch.manual_seed(seed)
        found = self._thread.found = {}
        try:
            with torch.inference_mode():
                found[LOGITS] = self._signature(self.network(images))
        except Exception:
            if self.together:
                self.together.abort()  # nobody is to wait for this thread
            raise
        return found

    def _note(self, path: str, module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        self._thread.found[path] = self._signature(output)
        if self.together and not self.together.broken:
            with suppress(threading.BrokenBarrierError):
                self.together.wait()

    def _signature(self, output: torch.Tensor) -> torch.Tensor:
        values = output.flatten(1).float()
        size = values.shape[1]
        if size not in self._signs:
            rng = torch.Generator().manual_seed(size)
            self._signs[size] = torch.randint(2, (size,), generator=rng).mul(2.0).sub(1).to(values)
        return torch.stack([values.norm(dim=1), values @ self._signs[size]], 1).cpu()


@contextmanager
def _switching_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCHES)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _turned(count: int, turn: int) -> list[int]:
    """0 to count - 1, beginning with another one for each turn."""
    return [(row + turn) % count for row in range(count)]


def _rows(signatures: dict[str, torch.Tensor], rows: list[int]) -> dict[str, torch.Tensor]:
    return {layer: each[rows] for layer, each in signatures.items()}


def _require_equal(
    first: dict[str, torch.Tensor], second: dict[str, torch.Tensor], told: tuple[str, str]
) -> None:
    for layer, expected in first.items():
        found = second.get(layer)
        if found is None or (found - expected).abs().gt(TOLERANCE * expected[:, :1]).any():
            what, behind = told
            raise TickleError(
                f"the model cannot be analysed: {what}, first in {layer}; usually this is {behind}"
            )
