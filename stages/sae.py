"""Train sparse autoencoders on one layer and judge them on held-out images."""

import shutil
from pathlib import Path

from tickle_core import devices, stage
from tickle_core.activations.store import open_store
from tickle_core.datasets.image_set import ImageSet
from tickle_core.dictionaries import (
    checkpoint,
    evaluation,
    recipe,
    sae,
    stream,
    training,
)
from tickle_core.models import classifier, splicing
from tickle_core.results import write_json


def main(run: stage.Run) -> None:
    section, seed = recipe.of_layer(run.params.sae, run.alias), run.params.seed
    store = open_store(Path(f"data/activations/{run.alias}.zarr"))
    device = devices.prepare(run.params.device)
    # The sparse products and float64 are missing on MPS.
    device = devices.prepare("cpu") if device.type == "mps" else device
    model = classifier.load(Path("data/model"), device)
    module = run.params.layers[run.alias]
    splice = splicing.splice(model, ImageSet.open(Path("data/dataset")), module)

    recipes = recipe.recipes(section, seed)
    held_out, rows = stream.hold_out(store, seed)
    most = max(each.latents for each in recipes.values())
    sample = stream.sample_tokens(store, rows, most, seed).to(device)
    scratch = checkpoint.folder(
        store, [run.code, str(seed), str(device), section.model_dump_json()]
    )
    trained = training.train(store, rows, sample, held_out, recipes, section, seed, scratch)
    top, mapped = section.top_images, section.heat_maps
    judged = evaluation.evaluate(trained, sample, rows, store, splice, top, mapped, seed)

    out = run.output_directory(f"data/sae/{run.alias}")
    for name, each in trained.items():
        folder = out if name == recipe.MAIN else out / "companions" / name
        folder.mkdir(parents=True, exist_ok=True)
        sae.save(each.sae, folder)
    judged.latents.to_parquet(out / "latents.parquet", index=False)
    judged.top_images.to_parquet(out / "top_images.parquet", index=False)
    judged.activations.to_parquet(out / "activations.parquet", index=False)
    judged.pca.to_parquet(out / "pca.parquet", index=False)
    judged.sparse_probing.to_parquet(out / "sparse_probing.parquet", index=False)
    write_json(run.output(f"reports/metrics/sae/{run.alias}.json"), judged.metrics)
    shutil.rmtree(scratch)


if __name__ == "__main__":
    stage.enter("sae", main, per_layer=True)
