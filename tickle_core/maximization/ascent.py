"""Activation maximization: x* = argmax_x s(x) - lambda R(x), many units at once.

Every picture has its own free numbers, and Adam treats each number by itself, so that pictures of
one batch do not disturb one another. The forward pass stops at the layer, unless logits are asked
for, and the weights are frozen: no gradient is formed for them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import numpy as np
import torch
from torch import nn

from tickle_core.maximization import penalties
from tickle_core.maximization.families import OF_LOGITS
from tickle_core.maximization.objectives import Objective, Readout
from tickle_core.maximization.parametrization import Canvas, generators, quantize, render, start
from tickle_core.maximization.transforms import draw, transform
from tickle_core.models.classifier import Classifier
from tickle_core.models.split import unwrap
from tickle_core.models.tokens import to_tokens
from tickle_core.params.features import Features
from tickle_core.progress import progress

DOUBLINGS = 9  # of a start's contrast: black and white, by then

# Preprocessed images -> the layer's output and, if they were computed, the logits.
Run = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor | None]]


def batches(objectives: Sequence[Objective], section: Features) -> list[list[int]]:
    """Which objectives are ascended together, as indices.

    What is read off the logits is kept apart, because only that needs the whole network. All
    pictures of a unit are in one batch.
    """
    units = max(1, section.batch_size // section.pictures)
    groups: list[list[int]] = [[], []]
    for i, objective in enumerate(objectives):
        groups[objective.family in OF_LOGITS].append(i)
    return [
        group[begin : begin + units] for group in groups for begin in range(0, len(group), units)
    ]


def maximize(
    classifier: Classifier,
    module: str,
    readout: Readout,
    scales: Sequence[float],
    canvas: Canvas,
    section: Features,
    seed: int,
) -> np.ndarray:
    """Pictures of one batch of objectives.

    Adam goes down, for `section.steps` steps, the sum over pictures of

        R(x) - score / scale

    where the network sees x transformed (`tickle_core.maximization.transforms`) and R(x) is
    `penalties.total`.

    Parameters
    ----------
    module
        Module path of the layer.
    readout
        Of the objectives of one of `batches`.
    scales
        By how much each objective varies, such as its standard deviation over natural images: it
        makes the weights of the penalties mean the same for all. 0 counts as 1.
    seed
        A picture depends on it, its objective and which copy it is; on the rest of the batch only
        by rounding.

    Returns
    -------
    uint8 (objectives, section.pictures, h, w, channels)

    Raises
    ------
    TickleError
        If the network is in training mode.
    """
    layer, device = classifier.card["layers"][module], classifier.device
    objectives = readout.objectives
    copies = readout.take(np.arange(len(objectives)).repeat(section.pictures).tolist())
    randomness = [rng for each in objectives for rng in generators(seed, each, section.pictures)]
    coefficients = start(canvas, randomness).to(device).requires_grad_()
    drawn = draw(randomness, section.steps)
    scale = torch.tensor(scales, dtype=torch.float32, device=device)
    scale = torch.where(scale > 0, scale, 1.0).repeat_interleave(section.pictures)
    normalize = _normalization(classifier)
    optimizer = torch.optim.Adam([coefficients], lr=section.learning_rate, fused=True)
    whole = any(objective.family in OF_LOGITS for objective in objectives)
    with _frozen(classifier.network), _running(classifier.network, module, whole) as run:

        def scored(pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            output, logits = run(normalize(pictures))
            tokens = to_tokens(output, layer["layout"])
            return copies.score(tokens, logits), tokens

        _awaken(coefficients, lambda: scored(render(canvas, coefficients))[0])
        for step in progress(range(section.steps), "pictures", "step"):
            pictures = render(canvas, coefficients)
            values, tokens = scored(transform(pictures, section, drawn[step]))
            patches = tokens[:, len(layer["prefix"]) :]
            loss = penalties.total(pictures, patches, section) - values / scale
            optimizer.zero_grad()
            loss.sum().backward()
            optimizer.step()
    images = quantize(render(canvas, coefficients))
    return images.reshape(len(objectives), section.pictures, *images.shape[1:])


def _awaken(coefficients: torch.Tensor, scored: Callable[[], torch.Tensor]) -> None:
    """Give starts more contrast until their objective has a gradient, in place.

    On mid-grey a unit behind a ReLU may be silent everywhere, and would never be found. What no
    contrast awakens stays as it was.
    """
    start = coefficients.detach().clone()
    for doubling in range(1, DOUBLINGS + 1):
        (gradient,) = torch.autograd.grad(scored().sum(), coefficients)
        asleep = gradient.flatten(1).abs().amax(1) == 0
        if not asleep.any():
            return
        factor = 2.0**doubling if doubling < DOUBLINGS else 1.0
        with torch.no_grad():
            coefficients[asleep] = factor * start[asleep]


def _normalization(classifier: Classifier) -> Callable[[torch.Tensor], torch.Tensor]:
    """What `Classifier.preprocess` does to pixels, for pictures in [0, 1]; differentiable."""
    means = classifier.card["preprocessing"]["mean"], classifier.card["preprocessing"]["std"]
    mean, std = (torch.tensor(x, device=classifier.device).view(1, -1, 1, 1) for x in means)

    def normalize(pictures: torch.Tensor) -> torch.Tensor:
        return ((pictures - mean) / std).contiguous(memory_format=torch.channels_last)

    return normalize


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """No parameter requires a gradient; afterwards those do that did."""
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)


class _Reached(Exception):
    """The layer has its output: nothing behind it needs to run."""


@contextmanager
def _running(network: nn.Module, module: str, whole: bool) -> Iterator[Run]:
    """The network up to a layer, or the whole of it with the layer's output beside the logits.

    The forward pass is broken off where the layer has its output, which works for every layer,
    whether or not the network can be cut there.
    """
    network = unwrap(network)
    found: list[torch.Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        found.append(output.clone())  # the network may overwrite its own
        if not whole:
            raise _Reached

    def run(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        logits = None
        with suppress(_Reached):
            logits = network(images)
        return found.pop(), logits

    handle = network.get_submodule(module).register_forward_hook(keep)
    try:
        yield run
    finally:
        handle.remove()
