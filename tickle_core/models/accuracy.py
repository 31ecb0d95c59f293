"""How often a model is right on an image set."""

from typing import Any

import numpy as np
import torch

from tickle_core import statistics
from tickle_core.datasets import image_set
from tickle_core.datasets.image_set import ImageSet, Split
from tickle_core.models.classifier import Classifier
from tickle_core.progress import progress

# What one batch may hold, in images and in their pixels: activations grow with both.
MOST_IMAGES = 500
MOST_PIXELS = 2**21
TOP = 5


def accuracies(
    classifier: Classifier, images: ImageSet, split: Split = "test"
) -> dict[str, dict[str, Any] | None]:
    """Top-1 and top-5 accuracy on those images of a split whose class is one of the model's.

    Which these are, the card's `classes_of_dataset` says. One pass; memory holds one batch.

    Returns
    -------
    dict
        `accuracy` and `top5`, each with value, Wilson interval, n, and as null what always
        guessing the most frequent class of these images gives, or the five most frequent. Both are
        None where no image's class is the model's; `top5` is None for a model of no more than five
        classes.
    """
    matches = classifier.card["classes_of_dataset"]
    # Of each label, the index among the model's classes, or -1.
    indices = [matches[name] for name in images.class_names]
    target_of_label = np.array([-1 if index is None else index for index in indices])
    targets = target_of_label[images.table["label"].to_numpy()]
    ids = image_set.distinct(images.table, split)["id"].to_numpy()
    ids = ids[targets[ids] >= 0]
    if len(ids) == 0:
        return {"accuracy": None, "top5": None}

    classes = len(classifier.card["class_names"])
    hits = np.zeros(min(TOP, classes), dtype=np.int64)  # by rank
    size = batch_size(images)
    starts = range(0, len(ids), size)
    with torch.inference_mode():
        for start in progress(starts, "judge the model", "batch", total=len(starts)):
            batch = ids[start : start + size]
            logits = classifier.network(classifier.preprocess(images.read(batch)))
            ranked = logits.topk(len(hits), dim=1).indices.cpu().numpy()
            hits += (ranked == targets[batch, np.newaxis]).sum(0)
    shares = np.sort(np.bincount(targets[ids]))[::-1] / len(ids)
    accuracy, top5 = (
        statistics.proportion(int(hits[:ranks].sum()), len(ids))
        | {"null": float(shares[:ranks].sum())}
        for ranks in (1, TOP)
    )
    return {"accuracy": accuracy, "top5": top5 if classes > TOP else None}


def batch_size(images: ImageSet) -> int:
    """Images per batch: fewer the larger they are."""
    height, width = images.images.shape[1:3]
    return max(1, min(MOST_IMAGES, MOST_PIXELS // (height * width)))
