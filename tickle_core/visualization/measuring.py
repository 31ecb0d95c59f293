"""What saved pictures do to the network, by the same measures as natural images."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
import torch

from tickle_core.activations.store import ActivationStore
from tickle_core.datasets.image_set import ImageSet
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.maximization import penalties
from tickle_core.maximization.objectives import Readout
from tickle_core.models.classifier import Classifier
from tickle_core.visualization.excitation import Pooled, excite
from tickle_core.visualization.random_phase import random_phase


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


@dataclass(frozen=True)
class Measured:
    """What pictures do, n units with some pictures each.

    Attributes
    ----------
    scores, positions, maxima, means
        (n, pictures), as `Readout.responses` gives them.
    fires
        (n, pictures) object: whether the SAE has the latent active on a patch of the picture; None
        where the unit is no latent.
    similarity, to_others
        (n, pictures), mean cosine to the unit's other pictures, as `penalties.similarity` has it,
        and to those of other units of its family in its batch; NaN where there are none.
    before
        By layer before, the pooled activations (n, pictures, d).
    """

    scores: np.ndarray
    positions: np.ndarray
    maxima: np.ndarray
    means: np.ndarray
    fires: np.ndarray
    similarity: np.ndarray
    to_others: np.ndarray
    before: Pooled


@dataclass(frozen=True)
class Noise:
    """What images without objects do.

    Attributes
    ----------
    scores
        (images, objectives) float64.
    fires
        (objectives,), the share of images on a patch of which the SAE has the latent active; NaN
        where the unit is no latent.
    """

    scores: np.ndarray
    fires: np.ndarray


@torch.inference_mode()
def measure(
    subject: Subject, before: Sequence[str], readout: Readout, pictures: np.ndarray
) -> Measured:
    """Send the pictures of some units (n, pictures, h, w, channels) through the network, at once.

    Parameters
    ----------
    before
        Module paths of the layers before.
    readout
        Of the units.
    """
    n, copies = pictures.shape[:2]
    excited = excite(
        subject.classifier, subject.module, before, pictures.reshape(-1, *pictures.shape[2:])
    )
    units = np.repeat(np.arange(n), copies)
    copied = [readout.objectives[unit] for unit in units]
    responses = readout.responses(excited.tokens, excited.logits)
    patches = excited.tokens[:, len(subject.store.prefix) :].cpu()
    families = np.array([each.family for each in copied])
    same = units[:, None] == units
    others = (families[:, None] == families) & ~same
    # In 64 bits, so that the order of summation does not show in 32.
    cosines = penalties.cosines(patches[None].double())[0].numpy()
    active = _active(subject.sae, patches)
    found = {
        "fires": np.array(
            [
                bool(own[each.unit]) if each.family == "latent" else None
                for own, each in zip(active, copied, strict=True)
            ],
            dtype=object,
        ),
        "similarity": _mean_where(same & ~np.eye(len(same), dtype=bool), cosines),
        "to_others": _mean_where(others, cosines),
    }
    for name in ("scores", "positions", "maxima", "means"):
        found[name] = getattr(responses, name).cpu().numpy()[np.arange(len(units)), units]
    return Measured(
        **{name: values.reshape(n, copies) for name, values in found.items()},
        before={path: rows.reshape(n, copies, -1) for path, rows in excited.before.items()},
    )


def concatenate(parts: Sequence[Measured], order: np.ndarray) -> Measured:
    """The units of all parts, in a given order."""
    before = {
        path: np.concatenate([part.before[path] for part in parts])[order]
        for path in parts[0].before
    }
    names = [field.name for field in fields(Measured) if field.name != "before"]
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])[order] for name in names
    }
    return Measured(**joined, before=before)


@torch.inference_mode()
def measure_noise(
    subject: Subject, readout: Readout, count: int, batch_size: int, seed: int
) -> Noise:
    """What `count` random test images do, or as many as there are, once their phases are random."""
    rng = np.random.default_rng([seed, 4])
    ids = rng.permutation(subject.store.image_ids[subject.store.test_rows])[:count]
    latents = [i for i, each in enumerate(readout.objectives) if each.family == "latent"]
    units = [readout.objectives[i].unit for i in latents]
    scores, active = [], np.zeros(len(units))
    for start in range(0, len(ids), batch_size):
        images = random_phase(subject.images.read(ids[start : start + batch_size]), rng)
        excited = excite(subject.classifier, subject.module, [], images)
        scores.append(readout.responses(excited.tokens, excited.logits).scores.cpu().numpy())
        patches = excited.tokens[:, len(subject.store.prefix) :].cpu()
        active += _active(subject.sae, patches)[:, units].sum(0)
    fires = np.full(len(readout.objectives), np.nan)
    fires[latents] = active / len(ids)
    return Noise(np.concatenate(scores).astype(np.float64), fires)


def _active(sae: SparseAutoencoder, patches: torch.Tensor) -> np.ndarray:
    """Which latents are active on a patch of each image (n, patches, d): (n, latents) bool."""
    codes = sae.codes(patches.flatten(0, 1))
    on = codes.values > 0
    found = torch.zeros(len(patches), codes.pattern.width, dtype=torch.bool)
    found[codes.pattern.rows[on] // patches.shape[1], codes.pattern.columns[on]] = True
    return found.numpy()


def _mean_where(chosen: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The mean of the chosen ones of each row; NaN where none is."""
    count = chosen.sum(1)
    total = np.where(chosen, values, 0).sum(1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)
