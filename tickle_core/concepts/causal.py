"""What becomes of predictions without a concept: its vector projected out, and the tail goes on.

Every patch a loses what it has of the concept beyond the mean, a - ((a . v) - m) v. The control
takes the same lengths from the same patches along another direction, u in the place of the second
v: it changes the layer exactly as much, and says nothing of the concept. Such directions are
vectors of random sets.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from tickle_core import statistics
from tickle_core.concepts.layer import LayerItems
from tickle_core.datasets.concept_sets.sets import Items
from tickle_core.models.accuracy import batch_size
from tickle_core.models.splicing import Splice

IMAGES = 32  # held-out images of the image set that have most of the concept
DRAWS = 19
AT_ONCE_BYTES = 256 * 2**20  # of tokens: one pass through the store serves several concepts


@torch.no_grad()
def without(
    vectors: np.ndarray,
    controls: Sequence[np.ndarray],
    items: Items,
    layer: LayerItems,
    splice: Splice,
    seed: int,
) -> list[dict[str, Any]]:
    """Project each concept out of the images that have most of it.

    Memory: `AT_ONCE_BYTES` of tokens, or those of one concept's images, and an edited copy.

    Parameters
    ----------
    vectors
        (concepts, d), of unit length.
    controls
        Of each concept (draws, d), of unit length.

    Returns
    -------
    list of dict
        An estimate over images: mean drop of the predicted class's logit, in standard deviations
        of that logit over the images. Its null are the controls; `p` that of a single case among
        them.
    """
    natural = items.split(items.natural, True)
    along = layer.pooled[natural] @ vectors.T
    strongest = [natural[np.argsort(-score, kind="stable")[:IMAGES]] for score in along.T]
    bytes_of_one = 4 * IMAGES * int(np.prod(layer.store.tokens.shape[1:]))
    together = max(1, AT_ONCE_BYTES // bytes_of_one)
    found = []
    for first in range(0, len(vectors), together):
        some = slice(first, first + together)
        used, place = np.unique(np.stack(strongest[some]), return_inverse=True)
        tokens = torch.from_numpy(layer.tokens(used)).to(splice.classifier.device)
        found += [
            _project_out(
                vector,
                control,
                float(score.mean()),
                tokens[own],
                items.image_ids[used[own]],
                layer,
                splice,
                seed,
            )
            for vector, control, score, own in zip(
                vectors[some],
                controls[some],
                along.T[some],
                place.reshape(len(strongest[some]), -1),
                strict=True,
            )
        ]
    return found


def _project_out(
    vector: np.ndarray,
    controls: np.ndarray,
    mean: float,
    tokens: torch.Tensor,
    ids: np.ndarray,
    layer: LayerItems,
    splice: Splice,
    seed: int,
) -> dict[str, Any]:
    patches, size = len(layer.store.prefix), batch_size(splice.images)
    length = tokens[:, patches:] @ torch.from_numpy(vector).to(tokens) - mean
    clean = splice.logits(tokens, ids)
    predicted = clean.argmax(1, keepdim=True)

    def drop(direction: np.ndarray) -> np.ndarray:
        changed = tokens.clone()
        changed[:, patches:] -= length[:, :, None] * torch.from_numpy(direction).to(tokens)
        parts = zip(range(0, len(ids), size), changed.split(size), strict=True)
        logits = torch.cat([splice.logits(part, ids[at : at + size]) for at, part in parts])
        return (clean - logits).gather(1, predicted).squeeze(1).double().cpu().numpy()

    scale = float(clean.gather(1, predicted).std()) or 1.0
    found = statistics.mean_estimate(drop(vector) / scale, seed)
    null = np.array([drop(each).mean() / scale for each in controls])
    p = statistics.single_case(np.array([found["value"]]), null[:, None])[0]
    return found | {"null": statistics.drawn(null), "p": float(p)}
