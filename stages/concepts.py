"""Ask one layer for concepts: vectors, TCAV, where they are, what predictions lose without them."""

from pathlib import Path

from tickle_core import arrays, devices, stage
from tickle_core.activations.store import open_store
from tickle_core.concepts import analysis, layer, targets
from tickle_core.datasets.concept_sets import definition, members
from tickle_core.datasets.image_set import ImageSet
from tickle_core.dictionaries import sae, stream
from tickle_core.models import classifier, splicing


def main(run: stage.LayerRun) -> None:
    section, seed, module = run.params.concepts, run.params.seed, run.params.layers[run.alias]
    concepts = definition.read(definition.file_of(section.sets))
    images = ImageSet.open(Path("data/dataset"))
    store = open_store(Path(f"data/activations/{run.alias}.zarr"))
    null = open_store(Path(f"data/untrained/activations/{run.alias}.zarr"))
    sets = members.gather(concepts, images, null.image_ids, section.images, section.pool, seed)
    device = devices.prepare(run.params.device, double=True)
    model = classifier.load(Path("data/model"), device)
    untrained = classifier.load(Path("data/untrained/model"), device)
    splice = splicing.splice(model, images, module)
    subject = analysis.Subject(
        sets=sets,
        layer=layer.read(sets.items, store, model, images, module),
        untrained=layer.read(sets.items, null, untrained, images, module),
        splice=splice,
        module=module,
        sae=sae.load(Path("data/sae") / run.alias).to(device),
        sample=stream.sample_tokens(store, store.train_rows, 1, seed).to(device),
        linear_tail=splice.layer["linear_tail"],
    )
    matches = model.card["classes_of_dataset"]
    asked = targets.choose(sets, store, images.class_names, matches, section)
    found = analysis.analyse(subject, asked, section, seed)

    out = run.output_directory(f"data/concept_vectors/{run.alias}")
    for name, table in found.tables.items():
        table.to_parquet(out / f"{name}.parquet", index=False)
    if len(found.slopes):
        attributes = {"image_ids": found.image_ids.tolist(), "targets": found.targets}
        path, shape = out / "gradients.zarr", found.slopes.shape
        array = arrays.create(path, shape, "float32", len(found.slopes), 0.0, attributes)
        arrays.write_shard(array, 0, found.slopes)
    run.write_metrics(found.metrics)


if __name__ == "__main__":
    stage.enter_layer("concepts", main)
