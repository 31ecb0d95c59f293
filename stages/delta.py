"""Follow adversarial images through one layer, and undo there what they did."""

from pathlib import Path

import pandas as pd

from tickle_core import devices, stage
from tickle_core.activations.store import open_store
from tickle_core.datasets.image_set import ImageSet
from tickle_core.delta import analysis, pictures
from tickle_core.dictionaries import sae, stream
from tickle_core.maximization.pictures import save
from tickle_core.models import classifier, splicing


def main(run: stage.LayerRun) -> None:
    section, seed, module = run.params.delta, run.params.seed, run.params.layers[run.alias]
    store = open_store(Path(f"data/activations/{run.alias}.zarr"))
    perturbed = open_store(Path(f"data/perturbed/{run.alias}.zarr"))
    device = devices.prepare(run.params.device, double=True)
    model = classifier.load(Path("data/model"), device)
    images = ImageSet.open(Path("data/dataset"))
    dictionary = sae.load(Path("data/sae") / run.alias).to(device)
    sample = stream.sample_tokens(store, store.train_rows, 1, seed).to(device)

    found = analysis.analyse(
        store,
        perturbed,
        pd.read_parquet("data/attack/perturbed.parquet"),
        splicing.splice(model, images, module),
        dictionary,
        sample,
        section,
        seed,
    )
    out = run.output_directory(f"data/delta/{run.alias}")
    for name, table in found.tables.items():
        table.to_parquet(out / f"{name}.parquet", index=False)
    latents = found.tables["latents"]["latent"].tolist()
    if section.picture_steps and latents:
        how = run.params.features.model_copy(update={"steps": section.picture_steps})
        made = pictures.of_latents(model, images, module, latents, dictionary, sample, how, seed)
        save(made, out, latents)
    run.write_metrics(found.metrics)


if __name__ == "__main__":
    stage.enter_layer("delta", main)
