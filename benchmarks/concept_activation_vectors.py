"""TCAV against captum's: the same scores, then time and memory, and how they grow.

Both have the activations of all sets beforehand: captum on the disk, where it keeps them, ours
pooled, as a store has them. Captum's classifier is replaced by the difference of pooled means, so
that both have the same vectors; with its own, the time of its fits comes on top. Its vectors are as
long as the layer is large, ours as wide as it has channels. The last column is what another concept
costs once the gradients of the class are there, as they are after a run.

    python -m benchmarks.concept_activation_vectors
"""

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from captum.attr import LayerGradientXActivation
from captum.concept import TCAV, Classifier, Concept
from torch import nn
from torch.utils.data import DataLoader
from torchvision import models as zoo

from tickle_core import devices
from tickle_core.concepts import tcav
from tickle_core.models.split import split

LAYER, SIDE, SET = "layer3", 64, 20
CASES = ((10, 50, 50), (20, 50, 50), (10, 50, 200))  # concepts, partners, images of the class
GOAL = 20


def main() -> None:
    """Print a line per case."""
    heads = f"{'captum':>18} {'tickle':>18} {'ratio':>6} {'another':>9}"
    print(f"{'concepts':>8} {'partners':>8} {'images':>6} {heads}")
    spawn = multiprocessing.get_context("spawn")
    for case in CASES:
        with spawn.Pool(1) as pool:
            captum = pool.apply(run, (case, "captum"))
        with spawn.Pool(1) as pool:
            tickle = pool.apply(run, (case, "tickle"))
        off = np.abs(captum["scores"] - tickle["scores"]).max()
        assert off < 0.5 / case[2], f"scores differ by {off}"  # by less than one image
        ratio = captum["seconds"] / tickle["seconds"]
        times = [f"{each['seconds']:7.3f} s {each['mib']:5.0f} MiB" for each in (captum, tickle)]
        mark = "" if ratio >= GOAL else "  *"
        columns = " ".join(f"{count:>8}" for count in case[:2])
        more = f"{another(case[2], case[1]) * 1e3:6.1f} ms"
        print(f"{columns} {case[2]:>6} {times[0]:>18} {times[1]:>18} {ratio:6.0f} {more}{mark}")


def run(case: tuple[int, int, int], contender: str) -> dict[str, Any]:
    """Scores (concepts, partners) of one contender, with seconds and memory."""
    devices.prepare("cpu")
    torch.manual_seed(0)
    network = zoo.resnet18().eval()
    concepts, partners, images = case
    sets = torch.randn(concepts + partners, SET, 3, SIDE, SIDE)
    own = torch.randn(images, 3, SIDE, SIDE)
    work = (with_captum if contender == "captum" else with_slopes)(network, sets, own, concepts)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    scores = work()
    seconds = time.perf_counter() - began
    mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10
    return {"seconds": seconds, "mib": mib, "scores": scores}


class MeanDifference(Classifier):
    """The difference of the sets' means over images and positions, at every position."""

    def __init__(self) -> None:
        """Nothing is known before there are examples."""

    def train_and_eval(self, dataloader: Any, **_: Any) -> dict[str, Any]:
        """Take all examples at once."""
        inputs, labels = (torch.cat(part) for part in zip(*dataloader, strict=True))
        self._classes = sorted(labels.unique().tolist())
        channels = zoo.resnet18().layer3[0].conv1.out_channels
        pooled = inputs.view(len(inputs), channels, -1).mean(2)
        means = [pooled[labels == each].mean(0) for each in self._classes]
        vector = (means[0] - means[1]).repeat_interleave(inputs.shape[1] // channels)
        self._weights = torch.stack([vector, -vector])
        return {"accs": torch.tensor(0.0)}

    def weights(self) -> torch.Tensor:
        """(2, features)."""
        return self._weights

    def classes(self) -> list[int]:
        """Ids of the concepts."""
        return self._classes


def with_captum(
    network: nn.Module, sets: torch.Tensor, own: torch.Tensor, concepts: int
) -> Callable[[], np.ndarray]:
    """Each pair of a concept and a partner is a set of its own."""
    made = [
        Concept(place, f"c{place}", DataLoader(each, batch_size=SET))  # type: ignore[arg-type]
        for place, each in enumerate(sets)
    ]
    pairs = [[one, other] for one in made[:concepts] for other in made[concepts:]]
    method = TCAV(
        network,
        [LAYER],
        classifier=MeanDifference(),
        layer_attr_method=LayerGradientXActivation(
            network, network.get_submodule(LAYER), multiply_by_inputs=False
        ),
        save_path=tempfile.mkdtemp(),
    )
    method.concepts.update(made)
    method.generate_all_activations()
    method.generate_all_activations = lambda: None  # type: ignore[method-assign]  # they are there

    def work() -> np.ndarray:
        method.compute_cavs(pairs, force_train=True)
        found = method.interpret(own, pairs, target=0)
        scores = [
            float(found[f"{one.id}-{other.id}"][LAYER]["sign_count"][0]) for one, other in pairs
        ]
        return np.array(scores).reshape(concepts, -1)

    return work


def with_slopes(
    network: nn.Module, sets: torch.Tensor, own: torch.Tensor, concepts: int
) -> Callable[[], np.ndarray]:
    """The class's images go through the tail and back."""
    head, tail = split(network, LAYER, own[:1])
    with torch.inference_mode():
        pooled = torch.stack([head(each).mean((0, 2, 3)) for each in sets]).numpy()
        stored = head(own)

    def work() -> np.ndarray:
        acts = stored.clone().requires_grad_()
        [slopes] = torch.autograd.grad(tail(acts)[:, 0].sum(), acts)
        along = slopes.sum((2, 3)).numpy()
        return scored(along, pooled[:concepts], pooled[concepts:])

    return work


def scored(slopes: np.ndarray, concepts: np.ndarray, partners: np.ndarray) -> np.ndarray:
    """Scores (concepts, partners) of differences of means: a matrix product."""
    vectors = (concepts[:, None] - partners).reshape(-1, slopes.shape[1])
    nothing, lengths = np.zeros(len(slopes), np.int64), np.ones(2 * len(vectors))
    # Each vector twice: one run has no spread.
    found = tcav.scores(slopes, nothing, vectors.repeat(2, 0), lengths, 2)
    return found.score.reshape(len(concepts), -1)


def another(images: int, partners: int, width: int = 256) -> float:
    """Seconds of one more concept."""
    rng = np.random.default_rng(0)
    slopes, held, one = (
        rng.normal(size=(count, width)).astype(np.float32) for count in (images, partners, 1)
    )
    began = time.perf_counter()
    scored(slopes, one, held)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
