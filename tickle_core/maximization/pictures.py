"""One picture of each of some units, for analyses that show what their units want."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tickle_core.datasets.image_set import ImageSet
from tickle_core.maximization import ascent
from tickle_core.maximization.colors import color_root
from tickle_core.maximization.objectives import Objective, Readout, Sources
from tickle_core.maximization.parametrization import Canvas
from tickle_core.models import folding
from tickle_core.models.classifier import Classifier
from tickle_core.params.features import Features


def one_each(
    classifier: Classifier,
    images: ImageSet,
    module: str,
    objectives: Sequence[Objective],
    sources: Sources,
    scales: Sequence[float],
    section: Features,
    seed: int,
) -> np.ndarray:
    """A picture of each objective, uint8 (k, h, w, channels).

    Parameters
    ----------
    scales
        By how much each varies, as `ascent.maximize` has it.
    section
        How pictures are made; one of each, however many it asks for.
    """
    how = section.model_copy(update={"pictures": 1})
    readout = Readout(objectives, classifier.card["layers"][module], sources, classifier.device)
    canvas = Canvas(
        how.parametrization, images.size, images.images.shape[3], color_root(images, seed)
    )
    faster = folding.folded(classifier, images, module)
    made = [
        ascent.maximize(
            faster, module, readout.take(batch), [scales[i] for i in batch], canvas, how, seed
        )
        for batch in ascent.batches(objectives, how)
    ]
    return np.concatenate(made)[:, 0]


def save(pictures: np.ndarray, out: Path, names: Sequence[int]) -> None:
    """Write each of uint8 (k, h, w, channels) to `<name>.png`, three digits at least."""
    for name, picture in zip(names, pictures, strict=True):
        image = Image.fromarray(picture.squeeze(-1) if picture.shape[-1] == 1 else picture)
        image.save(out / f"{name:03}.png")
