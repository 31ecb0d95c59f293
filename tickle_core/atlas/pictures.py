"""Pictures of cells: what makes some patch lie where a cell's mean does."""

import numpy as np
import torch

from tickle_core.datasets.image_set import ImageSet
from tickle_core.maximization.objectives import Objective, Sources
from tickle_core.maximization.pictures import one_each
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
    sources = Sources(torch.from_numpy(patches), directions=directions)
    spread = (patches @ directions.numpy().T).std(0).tolist()
    return one_each(classifier, images, module, objectives, sources, spread, section, seed)
