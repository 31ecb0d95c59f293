"""Maps of what a prediction rests on, by each method.

gradient        |df/dx|, summed over channels [1]_
ig_zero, ig_mean, ig_blur
                integrated gradients from a black image, the mean colour, the blurred image
blur_path       along ever sharper images
chain           along a chain of real images; `random_chain` over random ones, the same ends
layer_<alias>   integrated gradients at a layer's output, from that of a black image
cam_<alias>     Grad-CAM [2]_: relu(sum_k w_k a_k), w_k the mean gradient of channel k
untrained       ig_zero of the network that learnt nothing: a null of all

References
----------
.. [1] Simonyan, Vedaldi, Zisserman (2014). Deep inside convolutional networks. arXiv:1312.6034.
.. [2] Selvaraju et al. (2017). Grad-CAM. arXiv:1610.02391.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from tickle_core.activations import foreign
from tickle_core.activations.store import ActivationStore
from tickle_core.attribution import chains, paths
from tickle_core.attribution.subject import Subject
from tickle_core.models import path_integral
from tickle_core.models.classifier import Classifier
from tickle_core.models.folding import fold
from tickle_core.models.path_integral import Integrated, straight
from tickle_core.models.splicing import Splice
from tickle_core.models.tokens import to_tokens
from tickle_core.params.attribution import Attribution
from tickle_core.progress import progress

BASELINES = ("zero", "mean", "blur")
MAIN = "ig_zero"
UNTRAINED = "untrained"
RANDOM_CHAIN = "random_chain"
QUICK_STEPS = 32


@dataclass(frozen=True)
class Maps:
    """One method's maps.

    Attributes
    ----------
    rows
        (m,), which of the subject's images have one.
    values
        (m, h, w) float32, signed but for gradients and Grad-CAM.
    residual, steps
        (m,) of completeness, where the method is a path integral.
    """

    rows: np.ndarray
    values: np.ndarray
    residual: np.ndarray | None = None
    steps: np.ndarray | None = None


@dataclass(frozen=True)
class Layer:
    """A layer's splice and store, and the rows of the subject's images in it."""

    splice: Splice
    store: ActivationStore
    rows: np.ndarray


def of_pixels(
    subject: Subject, untrained: Classifier, section: Attribution, seed: int
) -> dict[str, Maps]:
    """Maps in the pixels of the images, but those along chains."""
    inputs = subject.inputs
    starts = {
        "zero": paths.black(subject.classifier, subject.images),
        "mean": paths.mean_colour(subject.classifier, subject.images, seed),
        "blur": paths.blurred(inputs),
    }
    found = {"gradient": gradient(subject, subject.network)}
    for name in progress(BASELINES, "integrated gradients", "baseline"):
        path = straight(starts[name], inputs)
        found[f"ig_{name}"] = _integrated(subject, subject.logit, path, section)
    found["blur_path"] = _integrated(subject, subject.logit, paths.blurring(inputs), section)
    blank = fold(untrained.network, inputs[:1], [])
    found[UNTRAINED] = integrated_from_black(subject, blank, section)
    return found


def of_chains(
    subject: Subject,
    anchors: np.ndarray,
    acts: np.ndarray,
    section: Attribution,
    seed: int,
) -> dict[str, Maps]:
    """Maps along chains of real images, and along random ones.

    Memory: the images of all chains, as floats.

    Parameters
    ----------
    anchors
        (n,) ids of images, the subject's among them.
    acts
        (n, d), pooled activations of the anchors.
    """
    wanted = np.searchsorted(anchors, subject.ids)
    real = chains.find(acts, wanted)
    rows = np.flatnonzero(real.reached)
    if len(rows) == 0:
        return {}
    found = {}
    for name, stations in (
        ("chain", real.stations),
        (RANDOM_CHAIN, chains.scattered(real, len(anchors), seed)),
    ):
        used, place = np.unique(np.concatenate(stations), return_inverse=True)
        images = subject.classifier.preprocess(subject.images.read(anchors[used]))
        lengths = np.array([len(each) for each in stations])
        table = np.zeros((len(stations), lengths.max()), np.int64)
        for row, part in zip(table, np.split(place, lengths.cumsum()[:-1]), strict=True):
            row[: len(part)] = part
        device = images.device
        path = path_integral.chain(
            images, *(torch.from_numpy(each).to(device) for each in (table, lengths))
        )
        found[name] = _integrated(subject, subject.logit, path, section, rows)
    return found


def gradient(subject: Subject, network: nn.Module) -> Maps:
    """|df/dx| of a network."""
    logit = subject.of(network)
    found = []
    for which in torch.arange(len(subject.ids), device=subject.inputs.device).split(
        subject.at_once
    ):
        points = subject.inputs[which].requires_grad_()
        [slopes] = torch.autograd.grad(logit(points, which).sum(), points)
        found.append(slopes.abs().sum(1).cpu().numpy())
    return Maps(np.arange(len(subject.ids)), np.concatenate(found))


def integrated_from_black(subject: Subject, network: nn.Module, section: Attribution) -> Maps:
    """`ig_zero` of another network, with no more than `QUICK_STEPS`: it is there to compare."""
    path = straight(paths.black(subject.classifier, subject.images), subject.inputs)
    few = section.model_copy(update={"most_steps": min(section.most_steps, QUICK_STEPS)})
    return _integrated(subject, subject.of(network), path, few)


def of_layer(subject: Subject, layer: Layer, module: str, section: Attribution) -> dict[str, Maps]:
    """Integrated gradients and Grad-CAM at a layer's output; nothing where there is no grid."""
    store, splice = layer.store, layer.splice
    if store.grid is None:
        return {}
    device = splice.classifier.device
    patches = slice(len(store.prefix), None)
    blank = np.zeros((1, *subject.images.images.shape[1:]), np.uint8)
    _, start = foreign.of_images(subject.classifier, module, blank, 1)
    tokens = [torch.from_numpy(block) for _, block in store.token_blocks(layer.rows)]
    end = torch.cat(tokens).to(device).float()

    def logit(points: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
        given = splice.logits(points, subject.ids[which.cpu().numpy()])
        return given.gather(1, subject.classes[which, None]).squeeze(1)

    path = straight(torch.from_numpy(start).to(device), end)
    whole = path_integral.integrate(
        logit, path, len(end), device, section.most_steps, section.tolerance, subject.at_once
    )
    rows = np.arange(len(end))
    shape = (len(end), *store.grid)
    return {
        "layer": _maps(whole, whole.attributions[:, patches].sum(2).reshape(shape), rows),
        "cam": Maps(rows, _cam(logit, end, patches, subject.at_once).reshape(shape)),
    }


def cam_of(subject: Subject, classifier: Classifier, module: str, store: ActivationStore) -> Maps:
    """Grad-CAM of another network, whose layer is read while it runs."""
    layer = classifier.card["layers"][module]
    found = []
    for which in torch.arange(len(subject.ids), device=subject.inputs.device).split(
        subject.at_once
    ):
        kept: list[torch.Tensor] = []
        handle = classifier.network.get_submodule(module).register_forward_hook(
            lambda _module, _inputs, output, kept=kept: kept.append(output)
        )
        try:
            points = subject.inputs[which].requires_grad_()
            value = subject.of(classifier.network)(points, which).sum()
        finally:
            handle.remove()
        [slopes] = torch.autograd.grad(value, kept[0])
        tokens, weights = (
            to_tokens(each.detach(), layer["layout"])[:, len(store.prefix) :]
            for each in (kept[0], slopes)
        )
        found.append((tokens * weights.mean(1, keepdim=True)).sum(2).relu().cpu().numpy())
    shape = (len(subject.ids), *(store.grid or ()))
    return Maps(np.arange(len(subject.ids)), np.concatenate(found).reshape(shape))


def _cam(
    logit: path_integral.Function, tokens: torch.Tensor, patches: slice, at_once: int
) -> np.ndarray:
    """Grad-CAM of tokens (n, positions, d), over the patches (n, patches)."""
    found = []
    for which in torch.arange(len(tokens), device=tokens.device).split(at_once):
        points = tokens[which].requires_grad_()
        [slopes] = torch.autograd.grad(logit(points, which).sum(), points)
        weights = slopes[:, patches].mean(1, keepdim=True)
        found.append((points.detach()[:, patches] * weights).sum(2).relu().cpu().numpy())
    return np.concatenate(found)


def _integrated(
    subject: Subject,
    logit: path_integral.Function,
    path: path_integral.Path,
    section: Attribution,
    rows: np.ndarray | None = None,
) -> Maps:
    """Maps in pixels; `rows` are those of the images that the path is of, if not of all."""
    rows = np.arange(len(subject.ids)) if rows is None else rows
    device = subject.inputs.device
    which_of = torch.from_numpy(rows).to(device)

    def of_rows(points: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
        return logit(points, which_of[which])

    found = path_integral.integrate(
        of_rows, path, len(rows), device, section.most_steps, section.tolerance, subject.at_once
    )
    return _maps(found, found.attributions.sum(1), rows)


def _maps(found: Integrated, values: torch.Tensor, rows: np.ndarray) -> Maps:
    return Maps(rows, values.cpu().numpy(), found.residual.cpu().numpy(), found.steps.cpu().numpy())
