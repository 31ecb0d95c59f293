"""Extraction end to end against the bare forward pass of the same batches.

Extraction reads images, runs the network, captures several layers, compresses and writes them;
the bare pass gets its batches ready-made in memory and throws the result away. Both are timed in
turns in one process, and the ratio of the medians is what counts.

    python -m benchmarks.extraction             # after `make repro`, whose model it uses
"""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.models import resnet18

from tickle_core import devices
from tickle_core.activations.extraction import Target, extract
from tickle_core.datasets import image_set
from tickle_core.datasets.image_set import ImageSet
from tickle_core.models import classifier
from tickle_core.models.classifier import Classifier
from tickle_core.models.layers import survey
from tickle_core.params.extract import Extract

ROUNDS = 3
CPU = devices.prepare("cpu")


def main() -> None:
    """Print a line per network."""
    print(f"{'network':34} {'bare':>10} {'extract':>10} {'ratio':>6}  stored")
    model = classifier.load(Path("data/model"), CPU)
    images = ImageSet.open(Path("data/dataset"))
    layers = {"early": "layer1", "middle": "layer2", "late": "layer3"}
    compare("default, Fashion-MNIST, 3 layers", model, images, 8192, layers, batch_size=128)
    with tempfile.TemporaryDirectory() as folder:
        images = smooth_noise(Path(folder), count=384)
        layers = {f"layer{i}": f"layer{i}" for i in (1, 2, 3, 4)}
        compare("resnet18, 224 x 224, 4 layers", random_resnet18(), images, 384, layers, 8)


def compare(
    name: str,
    model: Classifier,
    images: ImageSet,
    count: int,
    layers: dict[str, str],
    batch_size: int,
) -> None:
    """Time both in turns; print images per second, their ratio, and bytes per image on disk."""
    ids = np.arange(count)
    batches = [
        model.preprocess(images.read(ids[start : start + batch_size]))
        for start in range(0, count, batch_size)
    ]
    section = Extract(
        train_images=None, test_images=None, batch_size=batch_size, dtype="float16", shard_mib=64
    )

    def bare() -> None:
        with torch.inference_mode():
            for batch in batches:
                model.network(batch)

    with tempfile.TemporaryDirectory() as folder:
        targets = [Target(alias, path, Path(folder) / alias) for alias, path in layers.items()]

        def stored() -> None:
            extract(model, images, ids, targets, section)

        def round_of_both() -> tuple[float, float]:
            for target in targets:
                shutil.rmtree(target.path, ignore_errors=True)
            return seconds(bare), seconds(stored)

        round_of_both()  # warm up
        rounds = [round_of_both() for _ in range(ROUNDS)]
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    forward, whole = (statistics.median(times) for times in zip(*rounds, strict=True))
    print(
        f"{name:34} {count / forward:8.0f}/s {count / whole:8.0f}/s {forward / whole:6.2f}"
        f"  {size / count / 1000:.1f} kB per image"
    )


def seconds(work: Callable[[], None]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def smooth_noise(folder: Path, count: int) -> ImageSet:
    """Images of 224 x 224 with structure at several scales, so activations are not white noise."""
    rng = np.random.default_rng(0)

    def image() -> np.ndarray:
        layers = [
            Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).resize(
                (224, 224)
            )
            for side in (4, 16, 64)
        ]
        return np.mean([np.asarray(layer) for layer in layers], axis=0).astype(np.uint8)

    pixels = (image() for _ in range(count))
    hashes = image_set.write_images(folder, pixels, count, (224, 224, 3), ["a", "b"])
    labels = [i % 2 for i in range(count)]
    sources = [str(i) for i in range(count)]
    image_set.write_table(folder, ["train"] * count, labels, sources, hashes, ["a", "b"])
    return ImageSet.open(folder)


def random_resnet18() -> Classifier:
    """Torchvision's resnet18 with random weights, channels_last."""
    torch.manual_seed(0)
    network = resnet18().eval().to(memory_format=torch.channels_last)
    preprocessing = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    example = torch.zeros(1, 3, 224, 224)
    card = {
        "class_names": [str(i) for i in range(1000)],
        "preprocessing": preprocessing,
        "layers": survey(network, example),
    }
    return Classifier(network, card, CPU)


if __name__ == "__main__":
    main()
