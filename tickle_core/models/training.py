"""Training the small residual network on an image set."""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F

from tickle_core import arrays, params, statistics, streams
from tickle_core.datasets.image_set import ImageSet
from tickle_core.models.classifier import Classifier, build, layer_shapes, preprocess
from tickle_core.progress import progress

POOL_BYTES = 512 * 2**20
STATISTICS_BYTES = 4 * 2**20  # of pixels, which are widened to 64 bits
EVALUATION_BATCH = 500


def untrained(images: ImageSet, seed: int, device: torch.device) -> Classifier:
    """The small residual network for an image set, with random weights."""
    torch.manual_seed(seed)
    preprocessing = channel_statistics(images, np.flatnonzero(images.table["split"] == "train"))
    architecture = {
        "name": "small_resnet",
        "channels": images.images.shape[3],
        "classes": len(images.class_names),
    }
    network = build(architecture).to(device, memory_format=torch.channels_last).eval()
    example = preprocess(arrays.read_rows(images.images, 0, 1), preprocessing, device)
    card = {
        "architecture": architecture,
        "source": "random weights",
        "class_names": list(images.class_names),
        "preprocessing": preprocessing,
        "layers": {
            name: {"shape": shape} for name, shape in layer_shapes(network, example).items()
        },
    }
    return Classifier(network, card, device)


def train(start: Classifier, images: ImageSet, section: params.Model, seed: int) -> Classifier:
    """Train a network on the train split, judge it on the test split.

    SGD with Nesterov momentum under a one-cycle learning rate (Smith & Topin 2018,
    arXiv:1708.07120), random horizontal flips. Images stream through a bounded pool, so memory
    does not grow with their number.

    Parameters
    ----------
    start
        The network to train; it is changed in place.
    """
    network, device = start.network, start.device
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
        optimizer, max_lr=section.learning_rate, total_steps=steps, pct_start=0.25
    )
    network.train()
    batches = _batches(images, train_ids, section, rng)
    for ids, batch in progress(batches, "training", "batch", total=steps):
        x = start.preprocess(batch)
        if rng.random() < 0.5:
            x = x.flip(3)
        loss = F.cross_entropy(network(x), labels[torch.from_numpy(ids).to(device)])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    network.eval()
    trained = Classifier(network, start.card | {"source": section.source}, device)
    trained.card["accuracy"] = accuracy(trained, images, "test")
    return trained


def accuracy(classifier: Classifier, images: ImageSet, split: str) -> dict[str, object]:
    """Top-1 accuracy on a split, with its Wilson interval and n."""
    ids = np.flatnonzero(images.table["split"] == split)
    labels = images.table["label"].to_numpy()[ids]
    correct = 0
    with torch.inference_mode():
        for start in range(0, len(ids), EVALUATION_BATCH):
            batch = ids[start : start + EVALUATION_BATCH]
            logits = classifier.network(classifier.preprocess(images.read(batch)))
            predicted = logits.argmax(1).cpu().numpy()
            correct += int((predicted == labels[start : start + EVALUATION_BATCH]).sum())
    interval = statistics.proportion_interval(correct, len(ids))
    return {"value": correct / len(ids), "interval": list(interval), "n": len(ids)}


def channel_statistics(images: ImageSet, ids: np.ndarray) -> dict[str, list[float]]:
    """Mean and standard deviation per channel of the given images, pixels scaled to [0, 1]."""
    count, total, squares = 0, 0.0, 0.0
    for place in arrays.blocks(images.images, STATISTICS_BYTES):
        wanted = ids[np.searchsorted(ids, place.start) : np.searchsorted(ids, place.stop)]
        block = arrays.read_rows(images.images, place.start, place.stop)[wanted - place.start]
        pixels = block.reshape(-1, block.shape[-1]).astype(np.uint64)
        count += len(pixels)
        total = total + pixels.sum(0)
        squares = squares + (pixels * pixels).sum(0)
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 1.0))
    return {"mean": (mean / 255).tolist(), "std": (std / 255).tolist()}


def _batches(
    images: ImageSet, ids: np.ndarray, section: params.Model, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for _ in range(section.epochs):
        chunks = streams.random_chunks(images.images, ids, rng)
        yield from streams.mix(chunks, section.batch_size, POOL_BYTES, rng)
