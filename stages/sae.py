"""Train sparse autoencoders on one layer and judge them on held-out images."""

from pathlib import Path

from tickle_core import devices, stage
from tickle_core.activations.store import open_store
from tickle_core.datasets.image_set import ImageSet
from tickle_core.dictionaries import (
    evaluation,
    recipe,
    sae,
    stream,
    training,
)
from tickle_core.models import classifier, splicing


def main(run: stage.LayerRun) -> None:
    section, seed = recipe.of_layer(run.params.sae, run.alias), run.params.seed
    store = open_store(Path(f"data/activations/{run.alias}.zarr"))
    device = devices.prepare(run.params.device, double=True)
    model = classifier.load(Path("data/model"), device)
    module = run.params.layers[run.alias]
    splice = splicing.splice(model, ImageSet.open(Path("data/dataset")), module)

    recipes = recipe.recipes(section, seed)
    held_out, rows = stream.hold_out(store, seed)
    most = max(each.latents for each in recipes.values())
    sample = stream.sample_tokens(store, rows, most, seed).to(device)
    scratch = run.scratch(
        str(device),
        {
            f"data/activations/{run.alias}.zarr": store.content(),
            # Training sees neither; what the outputs say of them is worked out after it.
            "data/dataset": [],
            "data/model": [],
        },
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
    run.write_metrics(judged.metrics)


if __name__ == "__main__":
    stage.enter_layer("sae", main)
