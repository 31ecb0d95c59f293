"""How much of a class's logit runs along a concept: layer integrated gradients, projected.

Along the path from a baseline to the layer's output, the attributions of a layer are
sum_k grad f(m_k) * (z_{k+1} - z_k), per position and channel. What of it runs along a unit vector v
is sum_p sum_k (grad f(m_k)_p . v) ((z_{k+1} - z_k)_p . v), in logits.
"""

import numpy as np
import torch

from tickle_core.activations.store import ActivationStore
from tickle_core.concepts.tcav import Asked
from tickle_core.models import path_integral
from tickle_core.models.accuracy import batch_size
from tickle_core.models.splicing import Splice
from tickle_core.progress import progress

STEPS = 16


def projected(
    asked: Asked,
    store: ActivationStore,
    splice: Splice,
    baseline: np.ndarray,
    vectors: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Attributions along vectors.

    Memory: a batch of the tail, and its coordinates along all vectors.

    Parameters
    ----------
    baseline
        (positions, d), where all paths start.
    vectors
        (v, d), of unit length.

    Returns
    -------
    tuple
        (images, v) float32, of the targets' images one after the other; and all attributions of
        the layer, (images,).
    """
    device, patches = splice.classifier.device, len(store.prefix)
    along = torch.from_numpy(vectors).float().to(device)
    start = torch.from_numpy(baseline).float().to(device)[None]
    size = batch_size(splice.images)

    def combine(slopes: torch.Tensor, moves: torch.Tensor) -> torch.Tensor:
        own = [part[..., patches:, :] @ along.T for part in (slopes, moves)]
        whole = (slopes * moves).sum((1, 2, 3))
        return torch.cat([(own[0] * own[1]).sum((1, 2)), whole[:, None]], dim=1)

    found = []
    batches = asked.batches(store, splice)
    for end, ids, logits in progress(batches, "attributions along concepts", "batch"):

        def logit(
            points: torch.Tensor,
            which: torch.Tensor,
            ids: np.ndarray = ids,
            logits: torch.Tensor = logits,
        ) -> torch.Tensor:
            given = splice.logits(points, ids[which.cpu().numpy()])
            return given.gather(1, logits[which, None]).squeeze(1)

        images = torch.arange(len(end), device=device)
        path = path_integral.straight(start, end)
        found.append(path_integral.path_sum(logit, path, images, STEPS, size, combine).cpu())
    both = torch.cat(found).numpy()[asked.place]
    return both[:, :-1], both[:, -1]


def consistency(along: np.ndarray) -> np.ndarray:
    """Share of images (n, v) whose attribution has the sign that most of them have, (v,)."""
    positive = (along > 0).mean(0)
    return np.maximum(positive, 1 - positive)
