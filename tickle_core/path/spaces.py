"""The two spaces that paths lead through: pixels, and a layer's activations."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from tickle_core.activations.extraction import Target, capturing, forward
from tickle_core.activations.foreign import NO_STORE
from tickle_core.activations.store import ActivationStore
from tickle_core.attacks.balls import LEVELS
from tickle_core.dictionaries.latents import strongest
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.geometry.clouds import Cloud
from tickle_core.models.accuracy import batch_size
from tickle_core.models.pixels import of_pixels, pixels
from tickle_core.models.splicing import Splice
from tickle_core.path.landscape import Landscape
from tickle_core.path.pairs import Pairs


@dataclass(frozen=True)
class Layer:
    """The layer that paths lead through, and that others are looked at in.

    Attributes
    ----------
    cloud
        Pooled vectors of held-out images and their neighbours: paths lead between these.
    """

    alias: str
    module: str
    store: ActivationStore
    cloud: Cloud
    splice: Splice
    sae: SparseAutoencoder

    @property
    def rows(self) -> np.ndarray:
        """Rows of the store, of the cloud's points."""
        return self.store.test_rows[self.cloud.images]

    @property
    def ids(self) -> np.ndarray:
        """Images of the set, of the cloud's points."""
        return self.store.image_ids[self.rows]


@dataclass(frozen=True)
class Sight:
    """What the network makes of m points: logits (m, classes), pooled activations (m, d) of the
    layer, and of each latent the maximum over positions (m, latents).
    """

    logits: np.ndarray
    pooled: np.ndarray
    peaks: np.ndarray


@dataclass(frozen=True)
class Space:
    """A space.

    Attributes
    ----------
    landscape
        Of L, the logit of a pair's last class less that of its first.
    stations
        Places (m,) among the cloud's points -> points (m, ...) of the space.
    look
        Points (m, ...) of a pair's way -> what the network makes of them.
    """

    name: str
    landscape: Landscape
    stations: Callable[[list[int]], torch.Tensor]
    look: Callable[[torch.Tensor, int], Sight]


def through_pixels(layer: Layer, chosen: Pairs) -> Space:
    """Images (m, C, H, W) with pixels in [0, 1]. Memory: a batch forth and back."""
    classifier, images = layer.splice.classifier, layer.splice.images
    network, device = of_pixels(classifier, images), classifier.device
    target = Target(layer.alias, layer.module, NO_STORE)
    ends = torch.from_numpy(chosen.classes).to(device)

    def difference(points: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
        return rise(network(points), ends[which])

    def look(points: torch.Tensor, pair: int) -> Sight:
        with capturing(classifier.network, [target]) as capture:
            found = forward(classifier, capture, as_images(points), [target], "float32")
        peaks = _peaks(layer.sae, torch.from_numpy(found.tokens[target]).to(device))
        return Sight(found.logits, found.pooled[target], peaks)

    return Space(
        "pixels",
        Landscape(difference, batch_size(images), (0.0, 1.0)),
        lambda places: pixels(images.read(layer.ids[places]), device),
        look,
    )


def through_layer(layer: Layer, chosen: Pairs) -> Space:
    """Activations (m, positions, d), of which the network's tail makes logits.

    Where the layer is no clean cut, what reaches the logits besides it is the first image's.
    """
    device = layer.splice.classifier.device
    ends = torch.from_numpy(chosen.classes).to(device)
    first = layer.ids[chosen.ends[:, 0]]

    def difference(points: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
        logits = layer.splice.logits(points, first[which.cpu().numpy()])
        return rise(logits, ends[which])

    def stations(places: list[int]) -> torch.Tensor:
        rows, number = np.unique(layer.rows[places], return_inverse=True)
        blocks = [tokens for _, tokens in layer.store.token_blocks(rows)]
        return torch.from_numpy(np.concatenate(blocks)[number].astype(np.float32)).to(device)

    def look(points: torch.Tensor, pair: int) -> Sight:
        with torch.no_grad():
            logits = layer.splice.logits(points, np.repeat(first[pair], len(points)))
        pooled = points[:, len(layer.splice.layer["prefix"]) :].mean(1)
        return Sight(logits.float().cpu().numpy(), pooled.cpu().numpy(), _peaks(layer.sae, points))

    at_once = batch_size(layer.splice.images)
    return Space("layer", Landscape(difference, at_once), stations, look)


def rise(logits: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    """L of logits (m, classes), between the classes (m, 2)."""
    own = logits.gather(1, ends)
    return own[:, 1] - own[:, 0]


def as_images(points: torch.Tensor) -> np.ndarray:
    """Points of pixel space as images (m, H, W, C) uint8."""
    levels = (points * LEVELS).round().clamp(0, LEVELS).to(torch.uint8)
    return levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()


@torch.no_grad()
def _peaks(sae: SparseAutoencoder, tokens: torch.Tensor) -> np.ndarray:
    codes = sae.codes(tokens.flatten(0, 1))
    return strongest(codes, len(tokens))[0].cpu().numpy()
