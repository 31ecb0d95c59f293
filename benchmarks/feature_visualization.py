"""Pictures of 16 channels: Tickle, all at once up to the layer, against torch-lucent, one by one.

EfficientNet-Lite0 with its ImageNet weights, the same channels, steps, colours and step size, on
one machine in turns, with transforms of the same size. What counts is a picture's
objective, the mean of its channel over all positions, of the finished picture as 8-bit image and
without transforms; and how many steps are made per second, summed over pictures. Tickle's maximum
over positions is softened until it is the mean, which is what lucent ascends.

    python -m benchmarks.feature_visualization               # some 5 minutes on two cores
    python -m benchmarks.feature_visualization --steps 4 --channels 2        # a quick look

lucent runs in a process of its own with our torch. It is installed into `.cache/peers/lucent` when
first needed, with the kornia that it was made for and without what else it would pin.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from tickle_core import devices
from tickle_core.maximization.ascent import maximize
from tickle_core.maximization.objectives import Objective, Readout, Sources
from tickle_core.maximization.parametrization import Canvas, quantize, render, start
from tickle_core.models.architectures import build
from tickle_core.models.classifier import Classifier
from tickle_core.models.layers import survey
from tickle_core.models.tokens import to_tokens
from tickle_core.models.zoo import efficientnet_lite0, weight_files
from tickle_core.params import reading

LAYER = "blocks.4"
SIDE = 224
STEPS, CHANNELS = 64, 16
SOFT = 1e4  # times any activation
LEARNING_RATE = 0.05  # lucent's
# What lucent's standard transforms amount to: pad 12 pixels, jitter 8, zoom and turn by as much.
ROBUSTNESS = {"pad": 12 / 224, "jitter": 8 / 224, "scale": 0.1, "rotate": 10.0}
# The first with nothing but what is listed here, the others with their own dependencies.
PACKAGES = [
    ["--no-deps", "torch-lucent==0.1.8", "kornia==0.4.1"],
    ["decorator==5.3.1", "ipython==8.12.3"],
]


def main() -> None:
    """Print steps per second of both, then the objective per channel."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--channels", type=int, default=CHANNELS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", type=Path, default=Path(".cache/peers"), metavar="DIR")
    asked = parser.parse_args()
    devices.prepare("cpu")
    torch.set_num_threads(asked.threads)
    folder = installed(asked.peers / "lucent")
    classifier = subject()
    width = classifier.card["layers"][LAYER]["shape"][0]
    channels = np.random.default_rng(0).choice(width, asked.channels, replace=False).tolist()

    theirs, seconds, colors = lucent(folder, classifier, channels, asked.steps, asked.threads)
    canvas = Canvas("fourier", (SIDE, SIDE), 3, torch.tensor(colors))
    tickle(classifier, channels[:1], canvas, steps=1)  # warm-up
    started = time.perf_counter()
    ours = tickle(classifier, channels, canvas, asked.steps)
    elapsed = time.perf_counter() - started

    made = asked.steps * asked.channels
    rates = {"lucent": made / sum(seconds), "tickle": made / elapsed}
    print(f"{asked.channels} channels of {LAYER}, {asked.steps} steps, {asked.threads} threads")
    for name, rate in rates.items():
        print(f"{name:8} {rate:7.2f} steps x pictures per second")
    print(f"tickle is {rates['tickle'] / rates['lucent']:.2f} times as fast")
    print(f"lucent's first picture took {seconds[0]:.1f} s, its last {seconds[-1]:.1f} s\n")
    print_objectives(classifier, channels, {"lucent": theirs, "tickle": ours}, canvas)


def installed(folder: Path) -> Path:
    """Where lucent is, which is installed there if it is missing."""
    if not (folder / "lucent").exists():
        for packages in PACKAGES:
            print(f"installing {' '.join(packages)} into {folder}", flush=True)
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", folder]
            subprocess.run([*pip, *packages], check=True)
    return folder.absolute()


def subject() -> Classifier:
    """The network under study, with as much of a card as ascent reads."""
    entry = efficientnet_lite0.describe()
    network = build(entry.architecture)
    weight_files.fit(network, entry.weights(), entry.source)
    network.to(memory_format=torch.channels_last)
    layers = survey(network, torch.zeros(1, 3, SIDE, SIDE))
    card = {"preprocessing": entry.preprocessing, "layers": layers}
    return Classifier(network, card, torch.device("cpu"))


def lucent(
    folder: Path, classifier: Classifier, channels: list[int], steps: int, threads: int
) -> tuple[np.ndarray, list[float], list[list[float]]]:
    """Lucent's pictures (channels, h, w, 3) as uint8, the seconds of each, and its colours."""
    with tempfile.TemporaryDirectory() as scratch:
        weights, pictures = Path(scratch) / "weights.safetensors", Path(scratch) / "pictures.npy"
        state = classifier.network.state_dict()
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, weights)
        task: dict[str, Any] = {
            "network": efficientnet_lite0.ARCHITECTURE["name"],
            "weights": str(weights),
            "layer": LAYER,
            "channels": channels,
            "steps": steps,
            "side": SIDE,
            "mean": classifier.card["preprocessing"]["mean"],
            "std": classifier.card["preprocessing"]["std"],
            "threads": threads,
            "pictures": str(pictures),
        }
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.peers.lucent_channels", json.dumps(task)],
            env=os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": str(threads)},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"lucent failed:\n{done.stderr}")
        report = json.loads(done.stdout.splitlines()[-1])
        images = (np.load(pictures) * 255).round().astype(np.uint8)
    return images, report["seconds"], report["colors"]


def tickle(classifier: Classifier, channels: list[int], canvas: Canvas, steps: int) -> np.ndarray:
    """Our pictures (channels, h, w, 3), uint8, in one batch."""
    section = reading.load().features.model_copy(
        update={
            "steps": steps,
            "learning_rate": LEARNING_RATE,
            "pictures": 1,
            "diversity": 0.0,
            **ROBUSTNESS,
        }
    )
    readout, scales = readout_of(classifier, channels), [1.0] * len(channels)
    return maximize(classifier, LAYER, readout, scales, canvas, section, seed=0)[:, 0]


def readout_of(classifier: Classifier, channels: list[int]) -> Readout:
    """Reads channels, as if they varied so much that any maximum is soft: their means."""
    layer = classifier.card["layers"][LAYER]
    width = layer["shape"][0]
    far = SOFT * torch.cat([torch.eye(width), -torch.eye(width)])
    objectives = [Objective("channel", channel) for channel in channels]
    return Readout(objectives, layer, Sources(far), classifier.device)


def print_objectives(
    classifier: Classifier, channels: list[int], made: dict[str, np.ndarray], canvas: Canvas
) -> None:
    """A line per channel, then how often and by how much ours is the larger."""
    randomness = [np.random.default_rng([0, i]) for i in range(len(channels))]
    random = quantize(render(canvas, start(canvas, randomness)))
    values = {
        name: objectives_of(classifier, channels, images)
        for name, images in {"noise": random, **made}.items()
    }
    print(f"{'channel':>8} " + " ".join(f"{name:>8}" for name in values))
    for row in zip(channels, *values.values(), strict=True):
        print(f"{row[0]:8} " + " ".join(f"{value:8.3f}" for value in row[1:]))
    above = {name: values[name] - values["noise"] for name in made}
    larger = (values["tickle"] >= values["lucent"]).mean()
    ratio = np.mean(above["tickle"] / above["lucent"])
    means = {name: each.mean() for name, each in above.items()}
    print(
        f"\ntickle's is at least as large in {larger:.0%} of the channels; of what is above noise "
        f"it has {means['tickle']:.2f} on the mean, and lucent's {means['lucent']:.2f}; "
        f"per channel {ratio:.2f} times as much on the mean"
    )


def objectives_of(classifier: Classifier, channels: list[int], images: np.ndarray) -> np.ndarray:
    """Mean over positions of channel i on image i, by a pass of the whole network."""
    found = []
    handle = classifier.network.get_submodule(LAYER).register_forward_hook(
        lambda *call: found.append(call[-1].clone())
    )
    with torch.inference_mode():
        classifier.network(classifier.preprocess(images))
    handle.remove()
    layout = classifier.card["layers"][LAYER]["layout"]
    tokens = to_tokens(found[0], layout)
    return readout_of(classifier, channels).responses(tokens, None).means.diagonal().numpy()


if __name__ == "__main__":
    main()
