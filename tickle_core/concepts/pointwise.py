"""Where in an image a concept is: a vector for single positions, without pooling.

The pooled vector tells images apart by what they are on average. The pointwise one is fitted to
single tokens of the concept's images against single tokens of others, and read at every position:
a map of where the concept is. Both are read so, and the pointing game says which points better.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tickle_core import statistics
from tickle_core.activations import foreign
from tickle_core.concepts import draws, vectors
from tickle_core.concepts.layer import LayerItems
from tickle_core.datasets.concept_sets.sets import ConceptSet, Items
from tickle_core.datasets.image_set import ImageSet
from tickle_core.models.accuracy import batch_size
from tickle_core.models.classifier import Classifier

TOKENS_PER_IMAGE = 16
GAME_IMAGES = 64  # held-out images that each texture is pasted into
NO_GRID = "the layer's positions form no grid"


def fit(
    sets: Sequence[ConceptSet],
    items: Items,
    layer: LayerItems,
    most: int,
    strength: float,
    seed: int,
) -> np.ndarray:
    """A vector per concept, (concepts, d), of unit length.

    Memory: `TOKENS_PER_IMAGE` tokens of every image that is used.

    Parameters
    ----------
    most
        Train images of a concept, at most.
    strength
        Of the logistic regression, as for pooled vectors.
    """
    runs = [
        draws.concept_runs(each, items, most, 1, np.random.default_rng([seed, place]))
        for place, each in enumerate(sets)
    ]
    used = np.unique(np.concatenate([part.ravel() for run in runs for part in run.both]))
    tokens = layer.some_patches(used, TOKENS_PER_IMAGE, seed)
    each_row = np.arange(tokens[..., 0].size).reshape(tokens.shape[:2])
    acts = tokens.reshape(-1, tokens.shape[2])
    found = []
    for run in runs:
        own, other = (each_row[np.searchsorted(used, part)].reshape(1, -1) for part in run.both)
        found.append(vectors.fit(acts, own, other, strength).logistic[0])
    return np.stack(found)


@dataclass(frozen=True)
class Pasted:
    """Images with textures in a corner, and the same images without.

    Attributes
    ----------
    tokens, before
        (n, patches, d) of either.
    corner
        (n, patches) bool, the patches whose centre lies in the corner.
    """

    tokens: np.ndarray
    before: np.ndarray
    corner: np.ndarray


def paste(
    each: ConceptSet,
    items: Items,
    layer: LayerItems,
    classifier: Classifier,
    images: ImageSet,
    module: str,
    seed: int,
) -> Pasted:
    """Put held-out textures into a random corner, half as high and wide, of held-out images."""
    rng = np.random.default_rng(seed)
    natural = draws.even(items.split(items.natural, True), items.stratum, GAME_IMAGES, rng)
    textures = rng.choice(items.split(each.members, True), len(natural))
    pixels = images.read(items.image_ids[natural])
    height, width = images.size
    low, left = rng.integers(0, 2, (2, len(natural)))
    for image, texture, down, right in zip(pixels, textures, low, left, strict=True):
        drawn = items.extra[texture - len(items.image_ids)]
        place = _half(height, down), _half(width, right)
        image[place] = drawn[: height // 2, : width // 2]
    _, tokens = foreign.of_images(classifier, module, pixels, batch_size(images))
    rows, columns = layer.store.grid or (1, 1)
    centres = [(np.arange(count) + 0.5) / count for count in (rows, columns)]
    inside = [
        np.where(side[:, None] > 0, centre >= 0.5, centre < 0.5)
        for side, centre in zip((low, left), centres, strict=True)
    ]
    corner = (inside[0][:, :, None] & inside[1][:, None, :]).reshape(len(natural), -1)
    before = layer.tokens(natural)[:, layer.patches]
    return Pasted(tokens[:, layer.patches], before, corner)


def _half(side: int, far: int) -> slice:
    return slice(side - side // 2, side) if far else slice(0, side // 2)


def pointing_game(pasted: Pasted, pointwise: np.ndarray, pooled: np.ndarray) -> dict[str, Any]:
    """Does the strongest patch of the map lie in the corner with the texture [1]_?

    Parameters
    ----------
    pointwise, pooled
        The two vectors of the texture, (d,).

    Returns
    -------
    dict
        JSON-ready: `hits` of the pointwise vector; its null is how often the strongest patch of
        the same image without the texture lies in that corner. `pooled`, the same of the pooled
        vector; `beyond`, how many more of the images the pointwise one hits.

    References
    ----------
    .. [1] Zhang et al. (2018). Top-down neural attention by excitation backprop. IJCV 126.
    """
    n = len(pasted.corner)

    def hit(tokens: np.ndarray, vector: np.ndarray) -> np.ndarray:
        strongest = (tokens @ vector).argmax(1)
        return pasted.corner[np.arange(n), strongest]

    found = {}
    hits = {}
    for name, vector in (("hits", pointwise), ("pooled", pooled)):
        hits[name], by_chance = hit(pasted.tokens, vector), hit(pasted.before, vector)
        null = statistics.proportion(int(by_chance.sum()), n)
        found[name] = statistics.proportion(int(hits[name].sum()), n) | {"null": null}
    gained, lost = hits["hits"] & ~hits["pooled"], hits["pooled"] & ~hits["hits"]
    beyond = statistics.paired_difference(int(gained.sum()), int(lost.sum()), n)
    return found | {"beyond": beyond}


def overlap(
    each: ConceptSet, items: Items, layer: LayerItems, vector: np.ndarray, seed: int
) -> dict[str, Any]:
    """How well the map of held-out images agrees with the user's masks: intersection over union.

    The strongest patches count, as many as the mask has; the null is the mask of another image.

    Returns
    -------
    dict
        An estimate, over images.
    """
    grid = layer.store.grid
    masked = np.array([item for item in sorted(each.masks) if items.is_test[item]], np.int64)
    if grid is None or len(masked) < 2:
        why = NO_GRID if grid is None else f"{len(masked)} held-out images have a mask"
        return {"value": None, "interval": None, "n": len(masked), "null": None, "why": why}
    masks = np.stack([_on_grid(each.masks[item], grid) for item in masked.tolist()])
    maps = layer.tokens(masked)[:, layer.patches] @ vector
    order = maps.argsort(1).argsort(1)
    strongest = order >= maps.shape[1] - masks.sum(1, keepdims=True)
    # Another image's, by one cycle through all: not even by chance its own.
    cycle = np.random.default_rng(seed).permutation(len(masked))
    others = np.empty_like(masks)
    others[cycle] = masks[np.roll(cycle, 1)]
    found = statistics.mean_estimate(_iou(strongest, masks), seed)
    return found | {"null": float(_iou(strongest, others).mean())}


def _iou(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one & other).sum(1) / (one | other).sum(1)


def _on_grid(mask: np.ndarray, grid: Sequence[int]) -> np.ndarray:
    """Patches of which the mask covers half or more, (patches,); the most covered one at least."""
    rows, columns = (
        np.arange(side) * count // side for side, count in zip(mask.shape, grid, strict=True)
    )
    cell = rows[:, None] * grid[1] + columns
    sizes = np.bincount(cell.ravel(), minlength=grid[0] * grid[1])
    covered = np.bincount(cell.ravel(), mask.ravel(), grid[0] * grid[1]) / np.maximum(sizes, 1)
    return covered >= min(0.5, covered.max())
