"""Change images so little that only the network sees it, until it takes them for something else."""

from pathlib import Path

import pandas as pd

from tickle_core import devices, stage
from tickle_core.attacks import analysis
from tickle_core.attacks.controls import KINDS
from tickle_core.datasets import image_set
from tickle_core.datasets.image_set import ImageSet
from tickle_core.models import classifier


def main(run: stage.Run) -> None:
    section, seed = run.params.attack, run.params.seed
    model = classifier.load(Path("data/model"), devices.prepare(run.params.device))
    images = ImageSet.open(Path("data/dataset"))
    # Among the held-out images that are stored: what layers make of the clean ones is there.
    stored = run.params.extract.test_images or section.images
    ids = image_set.draw(images.table, "test", min(section.images, stored), seed)
    found = analysis.analyse(model, images, ids, section, seed)

    out = run.output_directory("data/attack")
    for name, table in found.tables.items():
        table.to_parquet(out / f"{name}.parquet", index=False)
    write_perturbed(out, images, found.perturbed)
    run.write_metrics(found.metrics)


def write_perturbed(out: Path, images: ImageSet, perturbed: analysis.Perturbed) -> None:
    """An image set of all kinds one after the other, and a table that says which is which."""
    rows = images.table.iloc[perturbed.image_ids]
    folder = out / "perturbed"
    folder.mkdir()
    contents = image_set.write_images(
        folder,
        (image for kind in KINDS for image in perturbed.images[kind]),
        len(KINDS) * len(rows),
        (*images.size, images.channels),
        images.class_names,
        images.geometry,
    )
    image_set.write_table(
        folder,
        ["test"] * len(contents),
        rows["label"].tolist() * len(KINDS),
        rows["source"].tolist() * len(KINDS),
        contents,
        images.class_names,
    )
    columns = {
        "kind": [kind for kind in KINDS for _ in rows.index],
        "image_id": perturbed.image_ids.tolist() * len(KINDS),
        "own": perturbed.own.tolist() * len(KINDS),
        "became": perturbed.became.tolist() * len(KINDS),
    }
    pd.DataFrame(columns).to_parquet(out / "perturbed.parquet", index=False)


if __name__ == "__main__":
    stage.enter("attack", main)
