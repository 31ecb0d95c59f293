"""Pictures of cells: what makes some patch lie where a cell's mean does."""

import numpy as np
import torch

from tickle_core.datasets.image_set import ImageSet
from tickle_core.maximization import ascent
from tickle_core.maximization.colors import color_root
from tickle_core.maximization.objectives import Objective, Readout, Sources
from tickle_core.maximization.parametrization import Canvas
from tickle_core.models import folding
from tickle_core.models.classifier import Classifier
from tickle_core.params.features import Features


def of_means(
    classifier: Classifier,
    images: ImageSet,
    module: str,
    means: np.ndarray,
    patches: np.ndarray,
    section: Features,
    seed: int,
) -> np.ndarray:
    """A picture of each cell, uint8 (k, h, w, channels).

    What is ascended is the product of patches with the direction from the mean of all patches to
    that of the cell.

    Parameters
    ----------
    means
        (k, d), of cells.
    patches
        (n, d), of all of them.
    section
        How pictures are made; one of each cell.
    """
    around = means - patches.mean(0)
    norms = np.linalg.norm(around, axis=1, keepdims=True)
    directions = torch.from_numpy((around / np.where(norms > 0, norms, 1)).astype(np.float32))
    objectives = [Objective("direction", cell) for cell in range(len(means))]
    layer = classifier.card["layers"][module]
    sources = Sources(torch.from_numpy(patches), directions=directions)
    readout = Readout(objectives, layer, sources, classifier.device)
    canvas = Canvas(
        section.parametrization, images.size, images.images.shape[3], color_root(images, seed)
    )
    faster = folding.folded(classifier, images, module)
    spread = (patches @ directions.numpy().T).std(0)
    made = [
        ascent.maximize(
            faster, module, readout.take(batch), spread[batch].tolist(), canvas, section, seed
        )
        for batch in ascent.batches(objectives, section)
    ]
    return np.concatenate(made)[:, 0]
