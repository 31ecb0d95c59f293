"""Ways from one image to another through a layer, and through pixels.

straight   the line between their activations
sphere     as straight, but on the great circle of their directions, with norms in between: the
           middle of a line between unlike activations is shorter than either
graph      along the nearest-neighbour graph of pooled activations, straight from one real image's
           activations to the next one's
pixels     the line between their pixels, through the whole network

Points are evenly spaced by length, along the graph by that of pooled activations.
"""

from collections.abc import Sequence

import numpy as np
import torch

from tickle_core.activations.extraction import Target, capturing, forward
from tickle_core.activations.foreign import NO_STORE
from tickle_core.models.splicing import Splice

WAYS = ("straight", "sphere", "graph", "pixels")


def straight(ends: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """Activations (points, positions, d) between two (2, positions, d), at shares of the way."""
    return torch.lerp(ends[:1], ends[1:], at.to(ends).view(-1, 1, 1))


def sphere(ends: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """The same on the great circle of the directions of whole maps."""
    flat, at = ends.flatten(1).double(), at.to(ends).double()
    norms = flat.norm(dim=1)
    if not norms.all():
        return straight(ends, at)
    units = flat / norms[:, None]
    angle = torch.arccos((units[0] @ units[1]).clamp(-1, 1))
    if angle.sin() < 1e-6:  # alike, or opposite: there is no one circle
        return straight(ends, at)
    weights = torch.stack([((1 - at) * angle).sin(), (at * angle).sin()], 1) / angle.sin()
    sizes = torch.lerp(norms[:1], norms[1:], at)
    return (sizes[:, None] * (weights @ units)).to(ends).view(-1, *ends.shape[1:])


def graph(stations: torch.Tensor, lengths: np.ndarray, at: torch.Tensor) -> torch.Tensor:
    """Activations along stations (m, positions, d), straight in between.

    Parameters
    ----------
    lengths
        (m - 1,) of the way from each to the next.
    """
    places = np.append(0, np.cumsum(lengths)) / lengths.sum()
    before = np.clip(np.searchsorted(places, at.numpy(), side="right") - 1, 0, len(lengths) - 1)
    inside = (at.numpy() - places[before]) / (places[before + 1] - places[before])
    share = torch.from_numpy(inside).to(stations).view(-1, 1, 1)
    return torch.lerp(stations[before], stations[before + 1], share)


def blend(images: np.ndarray, at: Sequence[float]) -> np.ndarray:
    """Images (points, H, W, C) uint8 between two (2, H, W, C)."""
    share = np.asarray(at).reshape(-1, 1, 1, 1)
    return np.rint((1 - share) * images[0] + share * images[1]).astype(np.uint8)


def through_pixels(
    splice: Splice, module: str, images: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What the whole network makes of images: pooled activations (n, d), logits (n, classes)."""
    target = Target(module, module, NO_STORE)
    with capturing(splice.classifier.network, [target]) as capture:
        found = forward(splice.classifier, capture, images, [target], "float32")
    return found.pooled[target], found.logits


def decoded(
    splice: Splice, tokens: torch.Tensor, image_ids: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What the network's tail makes of activations (n, positions, d), as `through_pixels` has it.

    Parameters
    ----------
    image_ids
        (n,) the images that they are nearest to: where the layer is no clean cut, what reaches the
        logits besides it is theirs.
    """
    with torch.inference_mode():
        logits = splice.logits(tokens, image_ids).float().cpu().numpy()
    patches = tokens[:, len(splice.layer["prefix"]) :]
    return patches.mean(1).cpu().numpy(), logits
