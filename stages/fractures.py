"""Say which classes, concepts and latents of one layer come in parts."""

from pathlib import Path

import numpy as np
import pandas as pd

from tickle_core import devices, stage
from tickle_core.activations.store import open_store
from tickle_core.datasets.concept_sets import kinds
from tickle_core.datasets.image_set import ImageSet
from tickle_core.dictionaries import limits, sae
from tickle_core.fractures import analysis, units


def main(run: stage.LayerRun) -> None:
    section, seed = run.params.fractures, run.params.seed
    store = open_store(Path(f"data/activations/{run.alias}.zarr"))
    rows, dictionary = store.test_rows, Path(f"data/sae/{run.alias}")
    ids, images = store.image_ids[rows], ImageSet.open(Path("data/dataset"))
    sets = kinds.by_kind(run.params.concepts.sets, images, ids)
    pooled = np.concatenate([values for _, values in store.column_blocks("pooled", rows)])
    latents = limits.strongest(pd.read_parquet(dictionary / "latents.parquet"), section.latents)
    found = analysis.analyse(
        [
            *units.of_images(pooled, sets, section.points, seed),
            *units.of_latents(
                sae.load(dictionary).to(devices.prepare(run.params.device)),
                store,
                rows,
                latents["latent"].tolist(),
                section.points,
            ),
        ],
        section,
        seed,
    )
    run.write_metrics(found.metrics)
    out = run.output_directory(f"data/fractures/{run.alias}")
    found.units.to_parquet(out / "units.parquet", index=False)
    fragments = found.fragments.assign(image_id=ids[found.fragments["image"].to_numpy(int)])
    fragments.drop(columns="image").to_parquet(out / "fragments.parquet", index=False)


if __name__ == "__main__":
    stage.enter_layer("fractures", main)
