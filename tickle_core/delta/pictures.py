"""Pictures of hijacked latents: what they want to see."""

from collections.abc import Sequence

import numpy as np

from tickle_core.datasets.image_set import ImageSet
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.dictionaries.stream import Sample
from tickle_core.maximization.objectives import Objective, Sources
from tickle_core.maximization.pictures import one_each
from tickle_core.models.classifier import Classifier
from tickle_core.params.features import Features


def of_latents(
    classifier: Classifier,
    images: ImageSet,
    module: str,
    latents: Sequence[int],
    sae: SparseAutoencoder,
    sample: Sample,
    section: Features,
    seed: int,
) -> np.ndarray:
    """A picture of each latent, uint8 (k, h, w, channels)."""
    objectives = [Objective("latent", latent) for latent in latents]
    tokens = sample.tokens.cpu()
    read = sae.w_enc.detach().cpu()[list(latents)]
    spread = (tokens @ read.T).std(0).tolist()
    sources = Sources(tokens, sae=sae.cpu())
    return one_each(classifier, images, module, objectives, sources, spread, section, seed)
