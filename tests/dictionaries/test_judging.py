"""Judging: each number is what a direct computation gives, and what is exact changes nothing."""

import numpy as np
import pytest
import torch
from sklearn.metrics import explained_variance_score

from tickle_core.activations.extraction import Target, extract
from tickle_core.activations.store import open_store
from tickle_core.datasets import image_set
from tickle_core.dictionaries import baselines, judging, stream
from tickle_core.dictionaries.baselines import Reconstruction
from tickle_core.dictionaries.components import principal_components
from tickle_core.dictionaries.judging import Contestant, Watched
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.models import splicing
from tickle_core.models.assembly import assemble
from tickle_core.models.zoo.registry import small_resnet
from tickle_core.params.extract import Extract

COUNT = 96
# The second is no clean cut: its input reaches the logits beside it.
LAYERS = ("layer2", "layer2.0.conv1")
EXTRACT = Extract(train_images=None, test_images=None, batch_size=16, dtype="float32", shard_mib=1)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    path = tmp_path_factory.mktemp("images")
    pixels = np.random.default_rng(0).integers(0, 256, (COUNT, 28, 28, 1), dtype=np.uint8)
    pixels[::3] //= 4
    names = ["a", "b", "c"]
    hashes = image_set.write_images(path, pixels, COUNT, (28, 28, 1), names)
    splits = ["train" if i % 4 else "test" for i in range(COUNT)]
    labels = [i % 3 for i in range(COUNT)]
    image_set.write_table(path, splits, labels, [str(i) for i in range(COUNT)], hashes, names)
    return image_set.ImageSet.open(path)


@pytest.fixture(scope="module")
def model(images):
    made = assemble(small_resnet(images), images, 0, torch.device("cpu"))
    with torch.no_grad():  # a head that tells images apart, as no training did
        made.network.fc.weight *= 20
    return made


@pytest.fixture(scope="module")
def layers(images, model, tmp_path_factory):
    """Store and splice of each layer."""
    folder = tmp_path_factory.mktemp("stores")
    targets = [Target(f"l{i}", module, folder / str(i)) for i, module in enumerate(LAYERS)]
    extract(model, images, np.arange(COUNT), targets, EXTRACT)
    return {
        target.module: (open_store(target.path), splicing.splice(model, images, target.module))
        for target in targets
    }


@pytest.fixture(scope="module")
def sample(layers):
    store, _ = layers["layer2"]
    return stream.sample_tokens(store, store.train_rows, 64, 0)


def exact(acts):
    return Reconstruction(acts, torch.full((len(acts),), acts.shape[1]))


def judge(layer, sample, dictionaries, watch=lambda ids, tokens: None):
    contestants = {
        name: each if isinstance(each, Contestant) else Contestant(each)
        for name, each in dictionaries.items()
    }
    components = principal_components(sample)
    return judging.judge(contestants, *layer, sample, components, watch, seed=0)


def fitted(sample, k, latents):
    return baselines.fit(sample, principal_components(sample), k, latents, 0)


def held_out(store):
    tokens = np.concatenate([acts for _, acts in store.token_blocks(store.test_rows)])
    return torch.from_numpy(tokens).flatten(0, 1)


def random_sae(d, latents=64, k=5):
    made = SparseAutoencoder(d, latents, "topk", k)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        made.w_dec.copy_(torch.randn(latents, d, generator=generator))
        made.normalize_decoder()
        made.w_enc.copy_(made.w_dec)
    return made


@pytest.mark.parametrize("module", LAYERS)
def test_splicing_in_the_exact_activation_changes_nothing(layers, sample, module):
    store, splice = layers[module]
    assert bool(splice.tail.obstacle) == (module == "layer2.0.conv1")
    found = judge((store, splice), sample, {"exact": exact})
    spliced = found.dictionaries["exact"]
    assert spliced["fvu"]["value"] == 0
    assert spliced["kl"] == {"value": 0, "interval": None, "n": 24, "why": spliced["kl"]["why"]}
    assert spliced["agreement"]["value"] == 1
    assert spliced["agreement"]["interval"][0] > 0.8  # of 24 images
    assert spliced["accuracy_drop"]["value"] == 0
    low, high = spliced["accuracy_drop"]["interval"]
    assert -0.15 < low < 0 < high < 0.15
    assert spliced["accuracy"] == found.clean_accuracy
    assert found.kept["exact"].mean() == pytest.approx(found.clean_accuracy["value"])


def test_clean_is_the_network_itself(layers, sample, model, images):
    store, splice = layers["layer2"]
    found = judge((store, splice), sample, {})
    logits = store.logits()[store.test_rows]
    right = logits.argmax(1) == store.labels[store.test_rows]
    assert found.clean_accuracy["value"] == pytest.approx(right.mean())
    assert found.images == len(store.test_rows) == found.clean_accuracy["n"]
    assert found.tokens == len(held_out(store))


def test_fvu_is_one_minus_scikit_learns_explained_variance(layers, sample):
    store, splice = layers["layer2"]
    made = random_sae(store.tokens.shape[2])
    found = judge((store, splice), sample, {"sae": Watched(made)}).dictionaries["sae"]
    acts = held_out(store)
    codes = made.codes(acts)
    rebuilt = made.decode_codes(codes).detach().numpy()
    acts = acts.numpy()
    # Scikit-learn takes the error's own mean off; ours counts a constant error as error.
    bias = np.square((acts - rebuilt).mean(0)).sum() / acts.var(0).sum()
    reference = 1 - explained_variance_score(acts, rebuilt, multioutput="variance_weighted")
    assert found["fvu"]["value"] == pytest.approx(reference + bias, rel=1e-4)
    assert found["fvu"]["interval"] is None and "too few" in found["fvu"]["why"]  # 24 images
    assert found["l0"]["value"] == pytest.approx(float((codes.values > 0).sum()) / len(acts))


def test_kl_and_agreement_are_those_of_the_logits(layers, sample, model):
    store, splice = layers["layer2"]
    mean = fitted(sample, 2, 8)["mean"].reconstruct
    judged = judge((store, splice), sample, {"mean": mean})
    found = judged.dictionaries["mean"]
    shape = (len(store.test_rows), *store.tokens.shape[1:])
    spliced = splice.logits(sample.mean.expand(shape), store.image_ids[store.test_rows])
    clean = torch.from_numpy(store.logits()[store.test_rows])
    kl = torch.nn.functional.kl_div(
        spliced.detach().log_softmax(1), clean.softmax(1), reduction="batchmean"
    )
    assert found["kl"]["value"] == pytest.approx(float(kl), rel=1e-3)
    assert float(kl) > 0.01
    agree = (spliced.argmax(1) == clean.argmax(1)).double().mean()
    assert found["agreement"]["value"] == pytest.approx(float(agree))
    assert found["fvu"]["value"] == pytest.approx(1, abs=0.05)


def test_the_curve_of_principal_components_meets_the_baseline(layers, sample):
    store, splice = layers["layer2"]
    pca = fitted(sample, 4, 5)["pca_k"].reconstruct
    found = judge((store, splice), sample, {"pca_k": pca})
    d = store.tokens.shape[2]
    assert len(found.pca_fvu) == d + 1
    assert (np.diff(found.pca_fvu) <= 0).all()
    assert found.pca_fvu[0] == pytest.approx(1, abs=0.05)
    assert found.pca_fvu[4] == pytest.approx(found.dictionaries["pca_k"]["fvu"]["value"], rel=1e-4)
    assert found.pca_fvu[d] == pytest.approx(0, abs=1e-9)


def test_a_permuted_sae_sees_permuted_tokens_and_is_not_spliced(layers, sample):
    store, splice = layers["layer2"]
    seen = []

    class Spy(Watched):
        def __call__(self, acts):
            seen.append(acts)
            return super().__call__(acts)

    made = random_sae(store.tokens.shape[2])
    null = Contestant(Spy(made), permuted=True, spliced=False)
    found = judge((store, splice), sample, {"sae": Watched(made), "null": null}).dictionaries
    assert found["null"]["kl"] is None
    assert found["null"]["accuracy"] is None
    tokens = held_out(store)
    permuted = torch.cat(seen)
    assert not torch.equal(permuted, tokens)
    assert torch.equal(permuted.sort(0).values, tokens.sort(0).values)
    assert found["null"]["fvu"]["value"] != pytest.approx(found["sae"]["fvu"]["value"], rel=1e-3)
    error = (made.decode_codes(made.codes(permuted)).detach() - permuted).double().square().sum()
    total = (tokens - tokens.mean(0)).double().square().sum()
    assert found["null"]["fvu"]["value"] == pytest.approx(float(error / total), rel=1e-4)


def test_without_a_common_class_there_is_no_accuracy(layers, sample):
    store, splice = layers["layer2"]
    strange = splicing.Splice(
        splice.tail, splice.layer, np.full(COUNT, -1), splice.classifier, splice.images
    )
    found = judge((store, strange), sample, {"exact": exact})
    assert found.clean_accuracy is None
    assert found.dictionaries["exact"]["accuracy_drop"] is None
    assert found.dictionaries["exact"]["agreement"]["value"] == 1
    assert found.kept["exact"].all() and len(found.kept["exact"]) == found.images


def test_blocks_change_nothing(layers, sample, monkeypatch):
    store, splice = layers["layer2"]
    made = random_sae(store.tokens.shape[2])
    whole = judge((store, splice), sample, {"sae": Watched(made)})
    monkeypatch.setattr(judging, "BLOCK_TOKENS", 5 * store.tokens.shape[1])
    ids = []
    parts = judge(
        (store, splice), sample, {"sae": Watched(made)}, lambda block, tokens: ids.append(block)
    )
    assert len(ids) > 2
    np.testing.assert_array_equal(np.concatenate(ids), store.image_ids[store.test_rows])
    for name, found in parts.dictionaries["sae"].items():
        assert found["value"] == pytest.approx(
            whole.dictionaries["sae"][name]["value"], rel=1e-5, abs=1e-9
        )


def test_the_drop_is_that_of_the_images_whose_class_is_known():
    before = np.array([1.0, 1, 1, 0, 0, 1, 1])
    after = np.array([1.0, 0, 0, 1, 0, 0, 1])
    known = np.array([True] * 5 + [False] * 2)
    found = judging.drop(before, after, known)
    assert (found["value"], found["n"]) == (pytest.approx((2 - 1) / 5), 5)
    assert judging.drop(before, after)["n"] == 7
