"""Small networks and recipes for ascent, and what it starts from and leads to."""

import numpy as np
import torch

from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.maximization.ascent import maximize
from tickle_core.maximization.objectives import Readout, Sources
from tickle_core.maximization.parametrization import generators, quantize, render, start
from tickle_core.models.classifier import Classifier
from tickle_core.models.layers import survey
from tickle_core.models.tokens import to_tokens
from tickle_core.params.features import Features

CPU = torch.device("cpu")
DEFAULT = {
    "parametrization": "fourier",
    "steps": 12,
    "learning_rate": 0.05,
    "channels": 1,
    "neurons": 1,
    "latents": 1,
    "logits": 1,
    "pictures": 1,
    "diversity": 0.0,
    "l2": 0.0,
    "total_variation": 0.0,
    "pad": 0.05,
    "jitter": 0.05,
    "scale": 0.1,
    "rotate": 10.0,
    "batch_size": 32,
    "natural": 1,
    "noise": 2,
}
STILL = {"pad": 0.0, "jitter": 0.0, "scale": 0.0, "rotate": 0.0}
# Of the mean difference between pictures, in grey levels. Where a gradient is 0 but for rounding,
# a step of Adam may go either way: single pixels depend on the processor, pictures do not.
ROUNDING = 1.0


def recipe(**changes):
    return Features(**(DEFAULT | changes))


def classifier_of(network, channels, side):
    network.eval()
    example = torch.rand(1, channels, side, side, generator=torch.Generator().manual_seed(0))
    card = {
        "preprocessing": {"mean": [0.4] * channels, "std": [0.3] * channels},
        "layers": survey(network, example),
    }
    return Classifier(network, card, CPU)


def readout_of(classifier, module, objectives, spread=1.0, **sources):
    """Reads objectives of a layer, softened as for patches of some standard deviation."""
    layer = classifier.card["layers"][module]
    width = layer["shape"][0 if layer["layout"] == "NCHW" else -1]
    patches = torch.cat([torch.eye(width), -torch.eye(width)]) * width**0.5 * spread
    return Readout(objectives, layer, Sources(patches, **sources), CPU)


def made_for(classifier, module, objectives, scales, canvas, section, seed=0, **sources):
    """Pictures of some objectives."""
    readout = readout_of(classifier, module, objectives, **sources)
    return maximize(classifier, module, readout, scales, canvas, section, seed)


def tokens_and_logits(classifier, module, images):
    """What images excite, by a plain forward pass."""
    found = []
    handle = classifier.network.get_submodule(module).register_forward_hook(
        lambda *call: found.append(call[-1].clone())
    )
    with torch.no_grad():
        logits = classifier.network(classifier.preprocess(images))
    handle.remove()
    return to_tokens(found[0], classifier.card["layers"][module]["layout"]), logits


def starts(canvas, objectives, seed=0):
    """The pictures that ascent starts from, one of each objective."""
    return quantize(
        render(canvas, start(canvas, [generators(seed, each, 1)[0] for each in objectives]))
    )


def apart(a, b):
    """Mean absolute difference of pixels, in grey levels."""
    return np.abs(np.asarray(a, dtype=float) - b).mean()


def random_sae(d):
    sae = SparseAutoencoder(d, 40, "topk", 4)
    sae.w_enc.data = torch.randn(40, d, generator=torch.Generator().manual_seed(0))
    return sae
