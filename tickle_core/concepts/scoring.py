"""The concepts of a finished run, asked of new images: nothing is fitted again.

LayerConcepts.load("middle").score([Path("photo.jpg")])
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tickle_core import arrays, devices
from tickle_core.activations import foreign
from tickle_core.datasets.concept_sets import folders
from tickle_core.datasets.image_set import ImageSet
from tickle_core.models import classifier
from tickle_core.models.accuracy import batch_size
from tickle_core.models.classifier import Classifier
from tickle_core.params import reading


@dataclass(frozen=True)
class LayerConcepts:
    """The concept vectors of one layer.

    Attributes
    ----------
    vectors
        Per concept `pooled` (d,) with `offset` and `scale`, and `pointwise` (d,).
    slopes
        (images, d), gradients of the logits of held-out images, and the `targets` that they are of.
    """

    classifier: Classifier
    images: ImageSet
    module: str
    vectors: pd.DataFrame
    slopes: np.ndarray
    targets: np.ndarray

    @classmethod
    def load(cls, alias: str, root: Path = Path()) -> "LayerConcepts":
        """Those of a layer by its alias in params.yaml.

        Raises
        ------
        TickleError
            If something that the run should have left is missing; it is named.
        """
        module = reading.load(root / reading.PARAMS_FILE).layers[alias]
        model = classifier.load(root / "data/model", devices.prepare("auto", double=True))
        folder = root / "data/concept_vectors" / alias
        vectors = pd.read_parquet(folder / "vectors.parquet")
        slopes = np.empty((0, len(vectors["pooled"][0])), np.float32)
        targets = np.empty(0, str)
        if (folder / "gradients.zarr").exists():  # no class may have had images enough
            gradients = arrays.open_complete(folder / "gradients.zarr")
            slopes = arrays.read_rows(gradients, 0, gradients.shape[0])
            targets = np.array(gradients.attrs["targets"])
        images = ImageSet.open(root / "data/dataset")
        return cls(model, images, module, vectors, slopes, targets)

    def score(self, images: np.ndarray | Sequence[Path]) -> pd.DataFrame:
        """How much of each concept images have, in standard deviations of random held-out ones.

        Parameters
        ----------
        images
            uint8 (n, H, W, C) as the image set has them, or paths of image files, which are
            brought to its size and colours.

        Returns
        -------
        pd.DataFrame
            A row per image, a column per concept.

        Raises
        ------
        TickleError
            If a file is no usable image.
        """
        pooled, _ = self._acts(images)
        vectors = np.stack(self.vectors["pooled"].tolist())
        offset, scale = (self.vectors[name].to_numpy() for name in ("offset", "scale"))
        scores = (pooled @ vectors.T - offset) / np.where(scale > 0, scale, 1)
        return pd.DataFrame(scores, columns=self.vectors["concept"].tolist())

    def maps(self, images: np.ndarray | Sequence[Path], concept: str) -> np.ndarray:
        """Where a concept is, by its pointwise vector: (n, patches), row by row of the grid."""
        _, tokens = self._acts(images)
        prefix = len(self.classifier.card["layers"][self.module]["prefix"])
        [vector] = self.vectors.loc[self.vectors["concept"] == concept, "pointwise"]
        return tokens[:, prefix:] @ vector

    def tcav(self, vector: np.ndarray) -> pd.Series:
        """TCAV scores of another vector (d,) by class: a matrix product, no pass of the network."""
        return pd.Series(self.slopes @ vector > 0).groupby(self.targets).mean()

    def _acts(self, images: np.ndarray | Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
        if not isinstance(images, np.ndarray):
            images = folders.decode(images, self.images)
        return foreign.of_images(self.classifier, self.module, images, batch_size(self.images))
