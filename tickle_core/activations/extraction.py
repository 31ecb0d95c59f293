"""Filling activation stores: one forward pass for every layer that still lacks something."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tickle_core import params
from tickle_core.activations import writer
from tickle_core.datasets.image_set import ImageSet
from tickle_core.errors import TickleError
from tickle_core.models.classifier import Classifier
from tickle_core.progress import progress

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
    section: params.Extract,
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
    for start in progress(starts, "extracting", "batch"):
        lacking = [target for target, store in writers.items() if store.lacks(start)]
        batch = images.read(ids[start : start + section.batch_size])
        logits, tokens, pooled = forward(classifier, batch, lacking, section.dtype)
        for target in lacking:
            writers[target].add(start, pooled[target], logits, tokens[target])


def forward(
    classifier: Classifier, images: np.ndarray, targets: list[Target], dtype: str
) -> tuple[np.ndarray, dict[Target, np.ndarray], dict[Target, np.ndarray]]:
    """One batch through the network.

    Returns
    -------
    tuple
        Logits (b, classes) float32; per target its tokens (b, positions, channels) as stored, and
        its pooled activations (b, channels) float32.
    """
    captured: dict[Target, torch.Tensor] = {}
    pooled: dict[Target, torch.Tensor] = {}

    def keep(target: Target, output: Any) -> None:
        acts = as_tokens(target, output)
        pooled[target] = acts.float().mean(1)
        # A copy in any case: a later in-place operation must not reach what was captured.
        captured[target] = acts.to(
            TORCH_DTYPES[dtype], copy=True, memory_format=torch.contiguous_format
        )

    with torch.inference_mode(), _hooks(classifier, targets, keep):
        logits = classifier.network(classifier.preprocess(images)).float()
    for target, acts in captured.items():
        if not torch.isfinite(acts).all():
            raise TickleError(
                f"activations of layer {target.alias} ({target.module}) are not finite in {dtype}; "
                "set extract.dtype to bfloat16 or float32"
            )
    return (
        logits.cpu().numpy(),
        {target: _stored(acts.cpu()) for target, acts in captured.items()},
        {target: rows.cpu().numpy() for target, rows in pooled.items()},
    )


def as_tokens(target: Target, output: Any) -> torch.Tensor:
    """A layer's output as tokens (N, positions, channels).

    (N, C, H, W) maps give H * W positions row by row, (N, T, C) sequences T positions, and
    (N, C) vectors one.

    Raises
    ------
    TickleError
        If the output is none of these.
    """
    if isinstance(output, torch.Tensor):
        if output.ndim == 4:
            return output.permute(0, 2, 3, 1).flatten(1, 2)
        if output.ndim == 3:
            return output
        if output.ndim == 2:
            return output.unsqueeze(1)
    raise TickleError(
        f"layer {target.alias} ({target.module}) returns no maps, sequence or vector; "
        "choose another"
    )


def _create(
    target: Target,
    classifier: Classifier,
    images: ImageSet,
    ids: np.ndarray,
    section: params.Extract,
) -> None:
    shape = classifier.card["layers"][target.module]["shape"]
    if len(shape) == 3:
        channels, grid = shape[0], shape[1:]
        positions = grid[0] * grid[1]
    else:
        channels, grid = shape[-1], None
        positions = shape[0] if len(shape) == 2 else 1
    row_bytes = positions * channels * TORCH_DTYPES[section.dtype].itemsize
    layout = writer.Layout(
        positions=positions,
        channels=channels,
        classes=len(classifier.card["class_names"]),
        grid=grid,
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


@contextmanager
def _hooks(classifier: Classifier, targets: list[Target], keep: Any) -> Iterator[None]:
    handles = [
        classifier.network.get_submodule(target.module).register_forward_hook(
            lambda module, inputs, output, target=target: keep(target, output)
        )
        for target in targets
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _stored(acts: torch.Tensor) -> np.ndarray:
    """NumPy has no bfloat16: its bits are kept as uint16."""
    if acts.dtype == torch.bfloat16:
        return acts.view(torch.int16).numpy().view(np.uint16)
    return acts.numpy()
