"""Threads that send batches through a network at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

MOST_WORKERS = 4  # each holds a batch's activations


@contextmanager
def workers(device: torch.device) -> Iterator[tuple[ThreadPoolExecutor, int]]:
    """Threads that compute batches, and their number.

    On a CPU several batches at once, each with its share of the cores: threads that meet after
    every layer wait for one another, and spin while the shards are compressed. Elsewhere one
    thread feeds the device while this one writes.
    """
    cores = torch.get_num_threads()
    count = min(cores, MOST_WORKERS) if device.type == "cpu" else 1
    torch.set_num_threads(max(1, cores // count))  # of each worker that starts from here on
    try:
        with ThreadPoolExecutor(count) as pool:
            yield pool, count
    finally:
        torch.set_num_threads(cores)
