"""Peak memory of extraction and of SAE training with N images and with 4N: it should not grow.

Each measurement is a process of its own, on images of noise and a network with random weights.

    python -m benchmarks.memory
"""

import multiprocessing
import resource
import tempfile
from pathlib import Path

import numpy as np

from tickle_core import devices
from tickle_core.activations.extraction import Target, extract
from tickle_core.activations.store import open_store
from tickle_core.datasets import image_set
from tickle_core.datasets.image_set import ImageSet
from tickle_core.dictionaries import checkpoint, recipe, stream
from tickle_core.dictionaries import training as sae_training
from tickle_core.dictionaries.recipe import MAIN
from tickle_core.models.assembly import assemble
from tickle_core.models.zoo.registry import small_resnet
from tickle_core.params.extract import Extract
from tickle_core.params.sae import Sae

COUNTS = (8_000, 32_000)
SHAPE = (28, 28, 1)
LAYER = "layer1"  # the largest: 12.5 kB per image
EXTRACT = Extract(
    train_images=None, test_images=None, batch_size=128, dtype="float16", shard_mib=32
)


def main() -> None:
    """Print a line per stage."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        for count in COUNTS:
            make_images(Path(folder) / f"images-{count}", count)
        for name, work in (("extract", run_extract), ("sae", run_sae)):
            peaks = []
            for count in COUNTS:
                with context.Pool(1) as pool:
                    peaks.append(pool.apply(work, (Path(folder), count)))
            few, many = peaks
            print(
                f"{name:8} {COUNTS[0]} images {few:5.0f} MiB   {COUNTS[1]} images {many:5.0f} MiB"
                f"   ratio {many / few:.2f}"
            )


def make_images(path: Path, count: int) -> None:
    """An image set of noise in two classes."""
    path.mkdir()
    rng = np.random.default_rng(0)
    pixels = (rng.integers(0, 256, SHAPE, dtype=np.uint8) for _ in range(count))
    hashes = image_set.write_images(path, pixels, count, SHAPE, ["a", "b"])
    labels, sources = [i % 2 for i in range(count)], [str(i) for i in range(count)]
    image_set.write_table(path, ["train"] * count, labels, sources, hashes, ["a", "b"])


def run_extract(folder: Path, count: int) -> float:
    """Fill a store; peak memory in MiB."""
    images = ImageSet.open(folder / f"images-{count}")
    model = assemble(small_resnet(images), images, 0, devices.prepare("cpu"))
    target = Target("early", LAYER, folder / f"early-{count}.zarr")
    extract(model, images, np.arange(count), [target], EXTRACT)
    return peak_mib()


def run_sae(folder: Path, count: int) -> float:
    """Train on every token of the store once; peak memory in MiB."""
    section = Sae(
        variant="topk",
        latents=64,
        k=8,
        l1=0.02,
        precision="float32",
        companions={},
        tokens=count * 196,
        batch_size=8192,
        learning_rate=0.001,
        dead_after=10**6,
        patience=100,
        buffer_mib=128,
        top_images=4,
        heat_maps=2,
    )
    store = open_store(folder / f"early-{count}.zarr")
    held_out, rows = stream.hold_out(store, 0)
    sample = stream.sample_tokens(store, rows, section.latents, 0)
    recipes = {MAIN: recipe.recipes(section, 0)[MAIN]}
    sae_training.train(store, rows, sample, held_out, recipes, section, 0, folder)
    (folder / checkpoint.FILE).unlink()
    return peak_mib()


def peak_mib() -> float:
    """The most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
