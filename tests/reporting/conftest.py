"""A small project on disk, as the stages before the report leave it."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from made_up import (
    TEST_IMAGES,
    WIDTH,
    pca_curve,
    sae_metrics,
    sae_tables,
    share,
    sparse_curve,
    write_circuits,
    write_dimension,
    write_features,
    write_probes,
)

from tickle_core import params
from tickle_core.datasets import image_set
from tickle_core.reporting import findings, page
from tickle_core.results import read_json, write_json

COMPANIONS = {"k4": {"k": 4}, "plain": {"variant": "relu", "l1": 0.1}}


@dataclass(frozen=True)
class Project:
    data: Path
    metrics: Path
    settings: findings.Settings

    def heat_maps(self, alias, image_ids, latents):
        """What a map holds depends on image and latent alone; its patches differ."""
        layer = read_json(self.data / "model" / "card.json")["layers"][f"module.{alias}"]
        positions = len(layer["prefix"]) + math.prod(layer["grid"])
        pairs = zip(image_ids.tolist(), latents.tolist(), strict=True)
        return np.array([np.random.default_rng(pair).random(positions) for pair in pairs])

    def read(self, **changes):
        return findings.read(self.data, self.metrics, replace(self.settings, **changes))

    def write(self, out, **changes):
        """Write the report and return its files by relative name."""
        folders = [out / name for name in ("figures", "tables", "plots")]
        for folder in folders:
            folder.mkdir(parents=True)
        found = self.read(**changes)
        page.write(found, self.heat_maps, out / "index.html", *folders)
        return {
            str(path.relative_to(out)): path.read_bytes()
            for path in sorted(out.rglob("*"))
            if path.is_file()
        }


@pytest.fixture(scope="session")
def make_project(tmp_path_factory):
    def make(**options):
        return build(tmp_path_factory.mktemp("project"), **options)

    return make


def build(
    root,
    layers=("early", "late"),
    class_names=("cat", "dog"),
    grid=(2, 2),
    prefix=(),
    shape=(8, 8, 1),
    density=None,
    companions=None,
    spliced_accuracy=True,
    single_class=False,
    judged=True,
    large_classes=True,
):
    data, metrics = root / "data", root / "metrics"
    write_images(data / "dataset", class_names, shape)
    (data / "model").mkdir()
    accuracy = share(0.9) | {"null": 0.3}
    card = {
        "architecture": {"name": "small_resnet"},
        "source": "trained on the data set's train split",
        "class_names": list(class_names),
        "accuracy": accuracy,
        "top5": None,
        "notes": [],
        "parameters": 1234,
        "layers": {
            f"module.{alias}": layer_entry(grid, prefix) | {"tail_share": 1 / (2 + place)}
            for place, alias in enumerate(layers)
        },
    }
    write_json(data / "model" / "card.json", card)
    for stage in findings.STAGES:
        (metrics / stage).mkdir(parents=True)
    write_json(metrics / "model.json", {"accuracy": accuracy})
    for number, alias in enumerate(layers):
        rng = np.random.default_rng(number)
        write_probes(root, rng, alias, len(class_names), grid, prefix, judged)
        changed = COMPANIONS if companions is None else companions
        sae = sae_metrics(changed, spliced_accuracy, prefix)
        write_json(metrics / "sae" / f"{alias}.json", sae)
        write_dimension(root, alias, len(class_names) if large_classes else 0)
        sites = [1, 4] if grid is None else list(grid)
        write_circuits(root, alias, class_names, grid and sites, prefix, single_class)
        write_features(root, alias, class_names, math.prod(sites), len(prefix), shape)
        folder = data / "sae" / alias
        folder.mkdir(parents=True)
        latents, top_images = sae_tables(
            rng, density, positions=len(prefix) + np.prod(grid) if grid else 4
        )
        latents.to_parquet(folder / "latents.parquet")
        pca_curve().to_parquet(folder / "pca.parquet")
        sparse_curve().to_parquet(folder / "sparse_probing.parquet")
        top_images.to_parquet(folder / "top_images.parquet")
    return Project(data, metrics, make_settings(layers))


def make_settings(layers):
    return findings.Settings(
        seed=0,
        dataset=params.ImageFolder(
            source="folder",
            folder="/some/where",
            resize=8,
            image_size=8,
            interpolation="bicubic",
            color="grey",
            test_share=0.5,
            damaged="refuse",
        ),
        model=params.Train(
            source="train", epochs=1, batch_size=8, learning_rate=0.1, weight_decay=0.0
        ),
        layers={alias: f"module.{alias}" for alias in layers},
        extract=params.Extract(
            train_images=None, test_images=None, batch_size=8, dtype="float16", shard_mib=1
        ),
        sae=params.Sae(
            variant="topk",
            latents=8,
            k=2,
            layers={},
            l1=0.1,
            precision="float32",
            seeds=2,
            companions={name: params.Companion(**change) for name, change in COMPANIONS.items()},
            tokens=100,
            batch_size=10,
            learning_rate=0.1,
            dead_after=50,
            patience=5,
            buffer_mib=1,
            top_images=4,
        ),
        features=params.Features(
            parametrization="fourier",
            steps=4,
            learning_rate=0.1,
            channels=2,
            neurons=1,
            latents=2,
            logits=1,
            pictures=2,
            diversity=0.1,
            l2=0.0,
            total_variation=0.0,
            pad=0.1,
            jitter=0.1,
            scale=0.1,
            rotate=5.0,
            batch_size=4,
            natural=4,
            noise=4,
        ),
        circuits=params.Circuits(
            images=20,
            units=4,
            directions=4,
            band_draws=3,
            null_draws=3,
            classes=4,
            pairs=2,
            patched_share=0.25,
            traces=4,
            sites=64,
            examples=2,
        ),
        probes=params.Probes(
            train_images=10,
            strengths=[1.0],
            validation_share=0.2,
            control_clusters=5,
            control_draws=2,
            shuffles=2,
        ),
        dimension=params.Dimension(variance=0.95, blocks=4, draws=5),
        report=params.Report(headline_layer=layers[-1], latents=3, images_per_latent=4),
    )


def write_images(out, class_names, shape):
    out.mkdir(parents=True)
    count = 2 * TEST_IMAGES
    images = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)
    labels = [row % len(class_names) for row in range(count)]
    contents = image_set.write_images(out, iter(images), count, shape, class_names)
    splits = ["train", "test"] * TEST_IMAGES
    image_set.write_table(out, splits, labels, ["somewhere"] * count, contents, class_names)


def layer_entry(grid, prefix):
    return {
        "shape": [WIDTH, *grid] if grid else [4, WIDTH],
        "layout": "NCHW" if grid else "NTC",
        "prefix": list(prefix),
        "grid": list(grid) if grid else None,
        "clean_cut": True,
        "obstacle": "",
        "linear_tail": False,
        "nonlinearity": 0.3,
    }
