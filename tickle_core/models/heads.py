"""A linear classifier in the place of a network's last layer: features stay, classes are new."""

from typing import Any

import numpy as np
import torch
from torch import nn

from tickle_core import logistic
from tickle_core.datasets import image_set
from tickle_core.datasets.image_set import ImageSet
from tickle_core.errors import TickleError
from tickle_core.models.accuracy import batch_size
from tickle_core.models.classifier import Classifier
from tickle_core.models.hooks import hooked
from tickle_core.progress import progress

MOST_IMAGES = 10_000  # a pass of the network each, and features held in memory
STRENGTHS = [0.001, 0.01, 0.1, 1.0]  # inverse regularisation C to choose from
VALIDATION_SHARE = 0.2
NEVER = -1e4  # logit of a class that no train image shows


def find(network: nn.Module, example: torch.Tensor) -> str | None:
    """The module path of the linear layer whose output is the network's, if there is one."""
    found: list[tuple[str, torch.Tensor]] = []

    def note(path: str, module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        found.append((path, output))

    linear = [path for path, each in network.named_modules() if isinstance(each, nn.Linear)]
    with hooked(network, linear, note), torch.no_grad():
        logits = network(example)
    if not isinstance(logits, torch.Tensor):
        return None
    last = [
        path
        for path, output in found
        if output.data_ptr() == logits.data_ptr() and output.numel() == logits.numel()
    ]
    return last[-1] if last else None


def fit(classifier: Classifier, images: ImageSet, path: str, seed: int) -> dict[str, Any]:
    """Fit the linear layer at `path` to the classes of the images, in place.

    Multinomial logistic regression (`tickle_core.logistic`) of the label on the layer's input,
    standardised over train images; the scale is then folded into the layer's weights.

    Returns
    -------
    dict
        For the card: `module`, `features` (how many), `images`, `strength` (C), `converged`, and
        `control`: the same fit's held-out accuracy where labels are shuffled.

    Raises
    ------
    TickleError
        If train images are of one class, or the layer's input does not depend on the image.
    """
    table = images.table
    train = image_set.draw(table, "train", MOST_IMAGES, seed)
    test = image_set.distinct(table, "test")["id"].to_numpy()[:MOST_IMAGES]
    labels = table["label"].to_numpy()
    if len(np.unique(labels[train])) < 2:
        raise TickleError(
            "model.head is probe, but all train images are of one class: a classifier needs two"
        )
    layer = classifier.network.get_submodule(path)
    if layer.bias is None:
        raise TickleError(f"{path} has no bias, so that no classifier can be fitted in its place")
    x_train = _features(classifier, images, path, train)
    x_test = _features(classifier, images, path, test)
    mean, std = x_train.mean(0), x_train.std(0)
    if not (kept := std > 0).any():
        raise TickleError(f"what {path} is given is the same for all images: choose another model")
    x_train, x_test = (((x - mean) / np.where(kept, std, 1)) for x in (x_train, x_test))
    parts = logistic.split_rows(labels[train], VALIDATION_SHARE, seed)
    fitted = logistic.fit(x_train, labels[train], x_test, parts, STRENGTHS)
    # Both sides are shuffled: judged by true labels, a fit to two well separated classes is right
    # on nearly all images or on none, by chance.
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(labels[train])
    control = logistic.fit(x_train, shuffled, x_test, parts, [fitted.strength])
    weights = np.zeros((len(images.class_names), x_train.shape[1]))
    bias = np.full(len(images.class_names), NEVER)
    weights[fitted.classes] = (fitted.weights[:-1] / np.where(kept, std, 1)[:, None]).T
    bias[fitted.classes] = fitted.weights[-1] - weights[fitted.classes] @ mean
    set_weights(layer, torch.from_numpy(weights), torch.from_numpy(bias))
    return {
        "module": path,
        "features": x_train.shape[1],
        "images": len(train),
        "strength": fitted.strength,
        "converged": fitted.converged,
        "control": logistic.accuracy(control.predicted, rng.permutation(labels[test])),
    }


def inputs(network: nn.Module, images: torch.Tensor, path: str) -> torch.Tensor:
    """(N, d), what the layer at `path` is given for preprocessed images (N, C, H, W)."""
    found: list[torch.Tensor] = []

    def note(path: str, module: nn.Module, given: tuple[torch.Tensor], output: Any) -> None:
        found.append(given[0].flatten(1))

    with hooked(network, [path], note), torch.inference_mode():
        network(images)
    return found[0]


def set_weights(layer: nn.Module, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
    """Give a linear layer these weights (classes, d), and this bias (classes,)."""
    with torch.no_grad():
        layer.get_parameter("weight").copy_(weight)
        if bias is not None:
            layer.get_parameter("bias").copy_(bias)


def _features(classifier: Classifier, images: ImageSet, path: str, ids: np.ndarray) -> np.ndarray:
    """(n, d) float64, what the layer at `path` is given for each of the images `ids`."""
    size = batch_size(images)
    starts = range(0, len(ids), size)
    found = []
    for start in progress(starts, "features of the model", "batch", total=len(starts)):
        batch = classifier.preprocess(images.read(ids[start : start + size]))
        found.append(inputs(classifier.network, batch, path).double().cpu().numpy())
    return np.concatenate(found)
