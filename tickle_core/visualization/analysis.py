"""Pictures of what a layer's units want, and how far they can be believed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from tickle_core.maximization import ascent
from tickle_core.maximization.colors import color_root
from tickle_core.maximization.objectives import Readout
from tickle_core.maximization.parametrization import Canvas
from tickle_core.models import folding
from tickle_core.params.features import Features
from tickle_core.progress import progress
from tickle_core.visualization import (
    chance,
    finished,
    measuring,
    natural,
    roads,
    selection,
    summary,
    tables,
)
from tickle_core.visualization.excitation import Pooled, natural_excitations
from tickle_core.visualization.measuring import Measured, Subject
from tickle_core.visualization.natural import Natural
from tickle_core.visualization.roads import Roads


@dataclass(frozen=True)
class Visualization:
    """Pictures and what was found of them.

    Attributes
    ----------
    images
        uint8 (n, h, w, channels).
    pictures
        One row per image: family, unit, name (of a class), copy, file, position; score, and
        maximum and mean over patches; natural_best, natural_high, natural_median, natural_maximum,
        natural_mean (the highest of those of natural images), noise_mean, noise_max, noise_fires,
        fires, similarity, to_others, angle, angle_natural, other_road. Random units
        (`tickle_core.visualization.chance`) are among them.
    natural
        One row per unit, side (most, least) and rank: image_id, position, score.
    roads
        One row per image and layer before it: `roads.rows`.
    metrics
        JSON-ready.
    """

    images: np.ndarray
    pictures: pd.DataFrame
    natural: pd.DataFrame
    roads: pd.DataFrame
    metrics: dict[str, Any]


def visualize(subject: Subject, section: Features, seed: int, directory: Path) -> Visualization:
    """Make pictures of the units that `section` asks for, and hold them against natural images.

    As many random units are treated alike. Scores are those of the pictures as they are saved:
    8-bit images that go through the network like any other. Memory: all pictures as 8-bit images,
    a batch of them in the network, a block of stored tokens, `chance.PATCHES` patches and, for the
    roads, pooled activations of the pictures and of each unit's best images at a few layers.

    Parameters
    ----------
    directory
        Keeps finished batches of pictures, which are not made again.
    """
    images, layers = subject.images, subject.classifier.card["layers"]
    chosen = selection.select(subject.store, subject.latents, section)
    objectives = [*chosen, *chance.units(chosen)]
    readout = Readout(
        objectives,
        layers[subject.module],
        chance.sources(subject.store, subject.sae, objectives, seed),
        subject.classifier.device,
    )
    found = natural.survey(subject.store, readout, section.natural, seed)
    canvas = Canvas(
        section.parametrization,
        images.size,
        images.images.shape[3],
        color_root(images, seed),
    )
    before = roads.layers_before(layers, subject.module)
    faster = folding.folded(subject.classifier, images, subject.module)

    made, parts = [], []
    batches = ascent.batches(objectives, section)
    for number, batch in enumerate(progress(batches, "batches of pictures", "batch")):
        units = readout.take(batch)
        pictures = finished.load(directory, number)
        if pictures is None:
            scales = found.sd[batch].tolist()
            pictures = ascent.maximize(faster, subject.module, units, scales, canvas, section, seed)
            finished.save(directory, number, pictures)
        made.append(pictures)
        parts.append(measuring.measure(subject, before, units, pictures))
    order = np.argsort(np.concatenate(batches))
    measured = measuring.concatenate(parts, order)
    noise = measuring.measure_noise(subject, readout, section.noise, section.batch_size, seed)
    compared = _compare(subject, before, measured, found, seed)

    names = subject.classifier.card["class_names"]
    pictures = tables.pictures(objectives, names, found, measured, noise, compared)
    head = {
        "parametrization": section.parametrization,
        "steps": section.steps,
        "size": list(canvas.size),
        "channels": canvas.channels,
        "natural_images": found.images,
        "noise_images": len(noise.scores),
        "layers_before": before,
    }
    return Visualization(
        images=np.concatenate(made)[order].reshape(-1, *images.images.shape[1:]),
        pictures=pictures,
        natural=tables.natural_images(objectives, found),
        roads=tables.roads_before(objectives, compared),
        metrics=head | {"families": summary.families(pictures)},
    )


def save(found: Visualization, out: Path) -> None:
    """Write the tables, and the pictures as PNG files that hold pixels and nothing else."""
    folder = out / "pictures"
    folder.mkdir()
    for name, image in zip(found.pictures["file"], found.images, strict=True):
        Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(folder / name)
    for name in ("pictures", "natural", "roads"):
        getattr(found, name).to_parquet(out / f"{name}.parquet", index=False)


def _compare(
    subject: Subject, before: Sequence[str], measured: Measured, found: Natural, seed: int
) -> list[Roads]:
    """The roads of every unit's pictures."""
    copies = measured.scores.shape[1]
    if not before:
        return [roads.compare({}, {}, {}, copies) for _ in measured.scores]
    store, best = subject.store, found.most.image_ids
    ids = store.image_ids[store.test_rows]
    drawn = np.random.default_rng([seed, 1]).permutation(ids)[: roads.RANDOM_IMAGES]
    known = np.unique(np.concatenate([drawn, best.ravel()]))
    excited = natural_excitations(subject.classifier, subject.module, before, subject.images, known)

    def at(wanted: np.ndarray) -> Pooled:
        rows = np.searchsorted(known, wanted)
        return {path: values[rows] for path, values in excited.items()}

    return [
        roads.compare(
            {path: rows[unit] for path, rows in measured.before.items()},
            at(best[:, unit]),
            at(drawn[~np.isin(drawn, best[:, unit])]),
            copies,
        )
        for unit in range(len(measured.scores))
    ]
