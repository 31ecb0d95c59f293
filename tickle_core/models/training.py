"""Training the small residual network on an image set."""

import math
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F

from tickle_core import streams
from tickle_core.datasets.image_set import ImageSet
from tickle_core.errors import TickleError
from tickle_core.models.classifier import Classifier
from tickle_core.params.model import Train
from tickle_core.progress import progress

POOL_BYTES = 512 * 2**20
MOST_LOSS = 10  # in parts of what guessing costs


def train(classifier: Classifier, images: ImageSet, section: Train, seed: int) -> None:
    """Train a classifier's network, in place, on the train split.

    SGD with Nesterov momentum under a one-cycle learning rate (Smith & Topin 2018,
    arXiv:1708.07120), random horizontal flips. Images stream through a bounded pool, so memory
    does not grow with their number.

    Raises
    ------
    TickleError
        If the training diverged.
    """
    network, device = classifier.network, classifier.device
    rng = np.random.default_rng(seed)
    labels = torch.tensor(images.table["label"].to_numpy(), device=device)
    train_ids = np.flatnonzero(images.table["split"] == "train")
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=section.learning_rate,
        momentum=0.9,
        nesterov=True,
        weight_decay=section.weight_decay,
    )
    steps = section.epochs * -(-len(train_ids) // section.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=section.learning_rate, total_steps=steps, pct_start=_rise(steps)
    )
    network.train()
    batches = _batches(images, train_ids, section, rng)
    for ids, batch in progress(batches, "training", "batch", total=steps):
        x = classifier.preprocess(batch)
        if rng.random() < 0.5:
            x = x.flip(3)
        loss = F.cross_entropy(network(x), labels[torch.from_numpy(ids).to(device)])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    network.eval()
    if not math.isfinite(last := float(loss)) or last > MOST_LOSS * math.log(len(labels.unique())):
        raise TickleError(
            f"the training diverged: its last loss is {last:.3g}; lower model.learning_rate or "
            "model.weight_decay"
        )


def _rise(steps: int) -> float:
    """Share of the steps in which the learning rate rises; torch divides by 0 where it is one."""
    return 0.25 if steps != 4 else 0.5


def _batches(
    images: ImageSet, ids: np.ndarray, section: Train, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, ...]]:
    for _ in range(section.epochs):
        chunks = streams.random_chunks(images.images, ids, rng)
        yield from streams.mix(chunks, section.batch_size, POOL_BYTES, rng)
