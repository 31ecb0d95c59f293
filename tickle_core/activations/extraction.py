"""Filling activation stores: one forward pass for every layer that still lacks something."""

import math
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tickle_core.activations import writer
from tickle_core.datasets.image_set import ImageSet
from tickle_core.errors import TickleError
from tickle_core.models.classifier import Classifier
from tickle_core.models.parallel import workers
from tickle_core.models.tokens import to_tokens
from tickle_core.params.extract import Extract
from tickle_core.progress import progress
from tickle_core.threads import in_order

READ_BYTES = 16 * 2**20
SMALL = 1e-2  # below which float16 may run out of digits
MOST_ERROR = 0.01  # of the norm of a batch's activations
TORCH_DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


@dataclass(frozen=True)
class Target:
    """A layer to extract: its alias (for messages), its module path, and its store's folder."""

    alias: str
    module: str
    path: Path


def extract(
    classifier: Classifier,
    images: ImageSet,
    ids: np.ndarray,
    targets: list[Target],
    section: Extract,
) -> None:
    """Bring the stores of all targets to completion, skipping shards that are there already.

    Images go through the network in fixed batches (rows 0 to b-1, b to 2b-1, ...), so a store's
    bytes depend neither on which other layers share the pass nor on where an earlier pass broke
    off.

    Parameters
    ----------
    ids
        (N,) ascending rows of the image set; row i of each store is image ids[i].

    Raises
    ------
    TickleError
        If activations do not fit `section.dtype`; the layer is named.
    """
    for target in targets:
        if not target.path.exists():
            _create(target, classifier, images, ids, section)
    writers = {target: writer.StoreWriter(target.path) for target in targets}
    starts = [
        start
        for start in range(0, len(ids), section.batch_size)
        if any(store.lacks(start) for store in writers.values())
    ]
    batches = _read_ahead(images, ids, starts, section.batch_size)

    def compute(item: tuple[int, np.ndarray]) -> tuple[int, list[Target], Extracted]:
        start, batch = item
        lacking = [target for target, store in writers.items() if store.lacks(start)]
        return start, lacking, forward(classifier, capture, batch, lacking, section.dtype)

    with (
        capturing(classifier.network, targets) as capture,
        workers(classifier.device) as (pool, count),
    ):
        computed = in_order(pool, compute, batches, ahead=2 * count)
        for start, lacking, batch in progress(computed, "extracting", "batch", total=len(starts)):
            for target in lacking:
                writers[target].add(start, batch.pooled[target], batch.logits, batch.tokens[target])


@dataclass(frozen=True)
class Extracted:
    """What one batch says: logits (b, classes) float32, and per target its pooled activations
    (b, channels) float32 and its tokens (b, positions, channels) as stored.
    """

    logits: np.ndarray
    pooled: dict[Target, np.ndarray]
    tokens: dict[Target, np.ndarray]


def forward(
    classifier: Classifier,
    capture: "_Capture",
    images: np.ndarray,
    targets: list[Target],
    dtype: str,
) -> Extracted:
    """Send one batch through the network and keep what the targets say.

    Raises
    ------
    TickleError
        If an activation is not finite in `dtype`, or lost in it, or a layer is not called once; the
        layer is named.
    """
    pooled: dict[Target, np.ndarray] = {}
    tokens: dict[Target, np.ndarray] = {}

    def keep(target: Target, output: Any) -> None:
        layer = classifier.card["layers"][target.module]
        if (
            target in pooled
            or output.shape[1:] != tuple(layer["shape"])
            or len(output) != len(images)
        ):
            raise _takes_another_way(target)
        # Copied at once: a later in-place operation must not reach what was captured.
        acts = to_tokens(output, layer["layout"])
        low, high = (float(end) for end in torch.aminmax(acts))
        most = torch.finfo(TORCH_DTYPES[dtype]).max
        if not (math.isfinite(low) and math.isfinite(high)):
            raise TickleError(
                f"layer {target.alias} ({target.module}) gives NaN or infinity: check the model's "
                "weights and preprocessing"
            )
        if not -most <= low <= high <= most:
            raise TickleError(
                f"activations of layer {target.alias} ({target.module}) go from {low:g} to "
                f"{high:g}, beyond {dtype}; set extract.dtype to bfloat16 or float32"
            )
        patches = acts[:, len(layer["prefix"]) :]
        pooled[target] = patches.mean(1, dtype=torch.float32).cpu().numpy()
        stored = acts.to(
            TORCH_DTYPES[dtype], copy=True, memory_format=torch.contiguous_format
        ).cpu()
        _require_precision(target, acts, max(-low, high), stored, dtype)
        # NumPy has no bfloat16: its bits are kept as uint16.
        tokens[target] = (
            stored.view(torch.int16).numpy().view(np.uint16)
            if dtype == "bfloat16"
            else stored.numpy()
        )

    capture.keep, capture.targets = keep, targets
    with torch.inference_mode():
        logits = classifier.network(classifier.preprocess(images)).float().cpu().numpy()
    for target in targets:
        if target not in pooled:
            raise _takes_another_way(target)
    return Extracted(logits, pooled, tokens)


def _takes_another_way(target: Target) -> TickleError:
    return TickleError(
        f"layer {target.alias} ({target.module}) is not called exactly once, with an output of its "
        "surveyed shape, for some images: what the network runs depends on the image; choose "
        "another layer"
    )


def _require_precision(
    target: Target, acts: torch.Tensor, largest: float, stored: torch.Tensor, dtype: str
) -> None:
    """Refuse activations so small that the format has few values for them.

    Others keep 11 digits in float16, so that only small ones are held against what is stored.
    """
    if dtype == "float32" or not 0 < largest < SMALL:
        return
    exact = acts.float().cpu()
    error = float((stored.float() - exact).norm() / exact.norm())
    if error > MOST_ERROR:
        raise TickleError(
            f"activations of layer {target.alias} ({target.module}) are at most {largest:.2g}, "
            f"where {dtype} rounds {error:.0%} of them away; set extract.dtype to "
            + ("bfloat16 or float32" if dtype == "float16" else "float32")
        )


def _create(
    target: Target,
    classifier: Classifier,
    images: ImageSet,
    ids: np.ndarray,
    section: Extract,
) -> None:
    layer = classifier.card["layers"][target.module]
    channels = layer["shape"][0 if layer["layout"] == "NCHW" else -1]
    positions = int(np.prod(layer["shape"])) // channels
    row_bytes = positions * channels * TORCH_DTYPES[section.dtype].itemsize
    layout = writer.Layout(
        positions=positions,
        channels=channels,
        classes=len(classifier.card["class_names"]),
        prefix=layer["prefix"],
        grid=layer["grid"],
        dtype=section.dtype,
        shard_rows=writer.rows_per_shard(row_bytes, section.batch_size, section.shard_mib),
    )
    chosen = images.table.iloc[ids]
    writer.create_store(
        target.path,
        layout,
        ids.astype(np.int64),
        chosen["label"].to_numpy(np.int64),
        (chosen["split"] == "test").to_numpy(bool),
    )


class _Capture(threading.local):
    """What the forward pass of this thread is to keep: several threads share the network."""

    keep: Callable[[Target, Any], None]
    targets: Collection[Target] = ()

    def hook(self, target: Target, module: nn.Module, inputs: Any, output: Any) -> None:
        if target in self.targets:
            self.keep(target, output)


@contextmanager
def capturing(network: nn.Module, targets: list[Target]) -> Iterator[_Capture]:
    """Hooks on all targets, set once: threads must not change them under one another's feet."""
    capture = _Capture()
    handles = [
        network.get_submodule(target.module).register_forward_hook(partial(capture.hook, target))
        for target in targets
    ]
    try:
        yield capture
    finally:
        for handle in handles:
            handle.remove()


def _read_ahead(
    images: ImageSet, ids: np.ndarray, starts: list[int], batch_size: int
) -> Iterator[tuple[int, np.ndarray]]:
    """The batches that begin at `starts`, read many at a time: a chunk holds several of them."""
    image_bytes = int(np.prod(images.images.shape[1:]))
    together = max(1, READ_BYTES // (image_bytes * batch_size))
    for first in range(0, len(starts), together):
        some = starts[first : first + together]
        wanted = [ids[start : start + batch_size] for start in some]
        read = images.read(np.concatenate(wanted))
        ends = np.cumsum([len(batch) for batch in wanted])
        yield from zip(some, np.split(read, ends[:-1]), strict=True)
