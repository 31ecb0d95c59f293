"""What saved pictures do to the network, by the same measures as natural images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from tickle_core.activations.store import ActivationStore
from tickle_core.datasets.image_set import ImageSet
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.models.classifier import Classifier
from tickle_core.visualization import penalties
from tickle_core.visualization.excitation import Pooled, excite
from tickle_core.visualization.objectives import Objective, Readout


@dataclass(frozen=True)
class Subject:
    """What is looked into: one layer of a network, its stored activations, its SAE, the images.

    Attributes
    ----------
    module
        Module path of the layer.
    sae, latents
        On the CPU; and the table of its latents that the stage `sae` writes.
    """

    classifier: Classifier
    images: ImageSet
    store: ActivationStore
    module: str
    sae: SparseAutoencoder
    latents: pd.DataFrame

    def readout(self, objectives: Sequence[Objective]) -> Readout:
        """Reads objectives off the layer."""
        layer, device = self.classifier.card["layers"][self.module], self.classifier.device
        return Readout(objectives, layer, self.sae, None, device)


@dataclass(frozen=True)
class Judged:
    """What pictures do, n units with some pictures each.

    Attributes
    ----------
    ascended, scores, positions
        (n, pictures), as `Readout` gives them.
    fires
        (n, pictures) object: whether the SAE has the latent active on a patch of the picture; None
        where the unit is no latent.
    similarity
        (n, pictures), to the unit's other pictures, as `penalties.similarity` has it.
    before
        By layer before, the pooled activations (n, pictures, d).
    """

    ascended: np.ndarray
    scores: np.ndarray
    positions: np.ndarray
    fires: np.ndarray
    similarity: np.ndarray
    before: Pooled


@torch.inference_mode()
def judge(
    subject: Subject, before: Sequence[str], objectives: Sequence[Objective], pictures: np.ndarray
) -> Judged:
    """Send the pictures of some units (n, pictures, h, w, channels) through the network, at once.

    Parameters
    ----------
    before
        Module paths of the layers before.
    """
    n, copies = pictures.shape[:2]
    excited = excite(
        subject.classifier, subject.module, before, pictures.reshape(-1, *pictures.shape[2:])
    )
    copied = [objective for objective in objectives for _ in range(copies)]
    scores, positions = subject.readout(objectives).responses(excited.tokens, excited.logits)
    own = np.arange(n * copies), np.repeat(np.arange(n), copies)
    patches = excited.tokens[:, len(subject.store.prefix) :]
    found = {
        "ascended": subject.readout(copied).ascended(excited.tokens, excited.logits).cpu().numpy(),
        "scores": scores.cpu().numpy()[own],
        "positions": positions.cpu().numpy()[own],
        "fires": np.array(
            [_fires(subject.sae, each, of) for each, of in zip(copied, patches.cpu(), strict=True)]
        ),
        "similarity": penalties.similarity(patches, copies).cpu().numpy(),
    }
    return Judged(
        **{name: values.reshape(n, copies) for name, values in found.items()},
        before={path: rows.reshape(n, copies, -1) for path, rows in excited.before.items()},
    )


def concatenate(parts: Sequence[Judged], order: np.ndarray) -> Judged:
    """The units of all parts, in a given order."""

    def join(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])[order]

    before = {
        path: np.concatenate([part.before[path] for part in parts])[order]
        for path in parts[0].before
    }
    names = ("ascended", "scores", "positions", "fires", "similarity")
    return Judged(**{name: join(name) for name in names}, before=before)


@torch.inference_mode()
def noise_scores(
    subject: Subject, objectives: Sequence[Objective], images: np.ndarray, batch_size: int
) -> np.ndarray:
    """The score of every noise image (n, h, w, channels) for every objective: (n, objectives)."""
    readout, parts = subject.readout(objectives), []
    for start in range(0, len(images), batch_size):
        part = images[start : start + batch_size]
        excited = excite(subject.classifier, subject.module, [], part)
        parts.append(readout.responses(excited.tokens, excited.logits)[0].cpu().numpy())
    return np.concatenate(parts).astype(np.float64)


def _fires(sae: SparseAutoencoder, objective: Objective, patches: torch.Tensor) -> bool | None:
    if objective.family != "latent":
        return None
    return bool((sae.codes(patches).latents == objective.unit).any())
