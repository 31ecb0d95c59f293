"""Sentences for a model's card on what may make its numbers other than expected, once they are
measured.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from tickle_core.datasets import image_set
from tickle_core.datasets.image_set import ImageSet
from tickle_core.models.accuracy import batch_size
from tickle_core.models.classifier import Classifier
from tickle_core.progress import progress

MOST_IMAGES = 2000
MUCH_BETTER = 0.2  # in accuracy
LISTED = 6
ROUNDING = 1e-6


def on_head(head: dict[str, Any] | None) -> Iterator[str]:
    """What was fitted, on what, and what the same fit makes of shuffled labels."""
    if head is None:
        return
    control = head["control"]
    by_chance = ""
    if control["n"]:
        low, high = control["interval"]
        by_chance = (
            f"; where labels are shuffled, the same fit is right on {control['value']:.1%} "
            f"[{low:.1%}, {high:.1%}] of {control['n']:,} held-out images"
        )
    yield (
        f"the model has no classifier of its own here: a linear one ({head['module']}) was fitted "
        f"to {head['images']:,} train images, on the {head['features']:,} features that the "
        f"network ends in{by_chance}"
        + ("" if head["converged"] else "; the fit did not reach its tolerance")
    )


def on_outputs(classifier: Classifier, images: ImageSet, seed: int) -> Iterator[str]:
    """Whether logits are what they are taken for: logits, of these classes, in this order.

    Names that are numbers stand in the order of text ("0", "1", "10", "2"), as in torchvision's
    ImageFolder, which a model trained elsewhere may not share. Another order is looked for among
    one half of some train images, and told if it is much better on the other half.
    """
    names = classifier.card["class_names"]
    if names == images.class_names and all(name.isdecimal() for name in names):
        by_number = sorted(names, key=int)
        if names != by_number:
            yield (
                f"class names are numbers, in the order of text ({_some(names)}), not of numbers "
                f"({_some(by_number)}): a model that was trained with the other order needs "
                "model.class_names"
            )
    targets, logits = _logits(classifier, images, seed)
    predicted = logits.argmax(1)
    for adapter in classifier.card["architecture"].get("adapters", []):
        if adapter["kind"] != "one_logit" or len(logits) == 0:
            continue
        given = logits[:, 1] - logits[:, 0] + adapter["offset"]
        if given.min() >= -ROUNDING and given.max() <= 1 + ROUNDING:
            yield (
                f"the model's one output is between 0 and 1 for each of {len(given):,} images: if "
                "it went through a sigmoid, it is a probability and no logit; build the model "
                "without"
            )
    order = np.random.default_rng(seed).permutation(len(targets))
    first, second = order[::2], order[1::2]
    if len(second) == 0:
        return
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(counts, (predicted[first], targets[first]), 1)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    renamed = np.empty(len(names), dtype=np.int64)
    renamed[rows] = columns
    as_is = float((predicted[second] == targets[second]).mean())
    reordered = float((renamed[predicted[second]] == targets[second]).mean())
    if reordered < as_is + MUCH_BETTER:
        return
    moved = [
        f"{names[index]!r} is {names[renamed[index]]!r}"
        for index in np.unique(predicted[second])
        if renamed[index] != index
    ]
    yield (
        f"another order of the classes fits much better: accuracy {reordered:.2f} instead of "
        f"{as_is:.2f} on {len(second):,} train images that had no part in finding it, if what the "
        f"model calls {_some(moved)}; check the order in model.class_names"
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")


def _logits(classifier: Classifier, images: ImageSet, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Of train images whose class is one of the model's: indices (n,), and logits (n, classes)."""
    matches = [classifier.card["classes_of_dataset"][name] for name in images.class_names]
    of_label = np.array([-1 if index is None else index for index in matches])
    ids = image_set.draw(images.table, "train", MOST_IMAGES, seed)
    targets = of_label[images.table["label"].to_numpy()[ids]]
    ids, targets = ids[targets >= 0], targets[targets >= 0]
    found = [np.empty((0, len(classifier.card["class_names"])), dtype=np.float32)]
    size = batch_size(images)
    starts = range(0, len(ids), size)
    with torch.inference_mode():
        for start in progress(starts, "looking at outputs", "batch", total=len(starts)):
            batch = classifier.preprocess(images.read(ids[start : start + size]))
            found.append(classifier.network(batch).float().cpu().numpy())
    return targets, np.concatenate(found)
