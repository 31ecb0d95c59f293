"""SAELens' format: what is in the files, that they mean the same there, and what is refused."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.dictionaries.saelens import export_saelens, import_saelens
from tickle_core.errors import TickleError

D, LATENTS, K = 6, 20, 3
ARCHITECTURES = {
    "topk": "topk",
    "relu": "standard",
    "jumprelu": "jumprelu",
    "batchtopk": "jumprelu",
    "matryoshka": "jumprelu",
}
VARIANTS = list(ARCHITECTURES)


def random_sae(variant):
    generator = torch.Generator().manual_seed(0)
    made = SparseAutoencoder(D, LATENTS, variant, K)
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if name != "threshold":
                weight.copy_(torch.randn(weight.shape, generator=generator))
        if variant in ("jumprelu", "batchtopk", "matryoshka"):
            made.threshold.uniform_(0.2, 0.8, generator=generator)
    made.normalize_decoder()
    return made


def acts():
    return 2 * torch.randn(50, D, generator=torch.Generator().manual_seed(1)) + 0.5


def read(directory):
    return json.loads((directory / "cfg.json").read_text()), load_file(
        directory / "sae_weights.safetensors"
    )


def write(directory, config, weights):
    directory.mkdir(exist_ok=True)
    (directory / "cfg.json").write_text(json.dumps(config))
    save_file(weights, directory / "sae_weights.safetensors")
    return directory


def theirs(directory, x):
    """Latents and reconstruction by the formulas of SAELens' documentation."""
    config, weights = read(directory)
    weights = {name: weight.float() for name, weight in weights.items()}
    norms = weights["W_dec"].norm(dim=1)
    scale = norms if config.get("rescale_acts_by_decoder_norm") else torch.ones(LATENTS)
    shifted = x - weights["b_dec"] if config["apply_b_dec_to_input"] else x
    pre = (shifted @ weights["W_enc"] + weights["b_enc"]) * scale
    if config["architecture"] == "topk":
        best = pre.topk(config["k"])
        latents = torch.zeros_like(pre).scatter(1, best.indices, best.values.relu())
    elif config["architecture"] == "jumprelu":
        latents = pre.relu() * (pre > weights["threshold"])
    else:
        latents = pre.relu()
    scale = torch.where(scale > 0, scale, 1)  # of a latent that decodes to nothing
    return latents, (latents / scale) @ weights["W_dec"] + weights["b_dec"]


def of_theirs(directory, architecture, dtype=torch.float32, **changes):
    """An SAE as SAELens leaves it: centred by b_dec, decoder of any norm, nothing of ours."""
    generator = torch.Generator().manual_seed(2)
    shapes = {"W_enc": (D, LATENTS), "b_enc": (LATENTS,), "W_dec": (LATENTS, D), "b_dec": (D,)}
    if architecture == "jumprelu":
        shapes["threshold"] = (LATENTS,)
    weights = {
        name: torch.randn(shape, generator=generator).to(dtype) for name, shape in shapes.items()
    }
    config = {
        "architecture": architecture,
        "d_in": D,
        "d_sae": LATENTS,
        "dtype": str(dtype).removeprefix("torch."),
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {"sae_lens_version": "6.5.1", "hook_name": "blocks.3"},
    }
    if architecture == "topk":
        config |= {"k": K, "rescale_acts_by_decoder_norm": False}
    return write(directory, config | changes, weights)


def assert_same(directory, imported):
    latents, rebuilt = theirs(directory, acts())
    assert 0 < (latents > 0).float().mean() < 0.9
    torch.testing.assert_close(imported.encode(acts()), latents, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(imported.decode(latents), rebuilt, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("variant", VARIANTS)
def test_files_are_laid_out_as_saelens_wants_them(tmp_path, variant):
    export_saelens(random_sae(variant), tmp_path / "new")
    config, weights = read(tmp_path / "new")
    shapes = {"W_enc": (D, LATENTS), "b_enc": (LATENTS,), "W_dec": (LATENTS, D), "b_dec": (D,)}
    if ARCHITECTURES[variant] == "jumprelu":
        shapes["threshold"] = (LATENTS,)
    assert {name: tuple(weight.shape) for name, weight in weights.items()} == shapes
    assert {weight.dtype for weight in weights.values()} == {torch.float32}
    assert config["architecture"] == ARCHITECTURES[variant]
    assert (config["d_in"], config["d_sae"], config["dtype"]) == (D, LATENTS, "float32")
    assert config["apply_b_dec_to_input"] is False
    assert config["normalize_activations"] == config["reshape_activations"] == "none"
    assert config["metadata"]["sae_lens_version"] >= "6"
    assert (config.get("k") == K) == (variant == "topk")


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_exported_sae_means_the_same(tmp_path, variant):
    made = random_sae(variant)
    export_saelens(made, tmp_path)
    assert_same(tmp_path, made)


@pytest.mark.parametrize("variant", VARIANTS)
def test_there_and_back_is_the_same_to_the_bit(tmp_path, variant):
    made = random_sae(variant)
    export_saelens(made, tmp_path)
    back = import_saelens(tmp_path)
    assert (back.variant, back.k) == (variant, K)
    assert back.threshold.requires_grad == made.threshold.requires_grad
    for name, weight in made.state_dict().items():
        assert torch.equal(weight, back.state_dict()[name]), name


@pytest.mark.parametrize("architecture", ["topk", "standard", "jumprelu"])
@pytest.mark.parametrize("centred", [True, False])
def test_an_sae_of_theirs_means_the_same_here(tmp_path, architecture, centred):
    of_theirs(tmp_path, architecture, apply_b_dec_to_input=centred)
    imported = import_saelens(tmp_path)
    assert imported.variant == {"standard": "relu"}.get(architecture, architecture)
    assert imported.k == (K if architecture == "topk" else 0)
    assert_same(tmp_path, imported)


def test_latents_chosen_by_their_decoder_norm(tmp_path):
    of_theirs(tmp_path, "topk", rescale_acts_by_decoder_norm=True)
    imported = import_saelens(tmp_path)
    assert_same(tmp_path, imported)
    torch.testing.assert_close(imported.w_dec.norm(dim=1), torch.ones(LATENTS))


def test_a_latent_that_decodes_to_nothing_stays_silent(tmp_path):
    of_theirs(tmp_path, "topk", rescale_acts_by_decoder_norm=True)
    config, weights = read(tmp_path)
    weights["W_dec"][3] = 0
    write(tmp_path, config, weights)
    imported = import_saelens(tmp_path)
    assert all(weight.isfinite().all() for weight in imported.state_dict().values())
    assert (imported.encode(acts())[:, 3] == 0).all()
    assert_same(tmp_path, imported)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened(tmp_path, dtype):
    of_theirs(tmp_path, "jumprelu", dtype, apply_b_dec_to_input=False)
    imported, (_, weights) = import_saelens(tmp_path), read(tmp_path)
    assert imported.w_enc.dtype == torch.float32
    assert torch.equal(imported.w_enc.T.to(dtype), weights["W_enc"])
    assert_same(tmp_path, imported)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"architecture": "gated"}, "architecture is gated"),
        ({"architecture": "jumprelu_transcoder"}, "architecture is jumprelu_transcoder"),
        ({"architecture": "batchtopk"}, "save_inference_model"),
        ({"normalize_activations": "layer_norm"}, "normalize_activations is layer_norm"),
        ({"normalize_activations": "expected_average_only_in"}, "normalize_activations"),
        ({"reshape_activations": "hook_z"}, "reshape_activations is hook_z"),
        ({"metadata": {}}, "names no SAELens version"),
        ({"metadata": {"sae_lens_version": "5.11.0"}}, "names no SAELens version"),
        ({"d_sae": LATENTS + 1}, "does not hold what cfg.json describes"),
        ({"architecture": "jumprelu"}, "does not hold what cfg.json describes"),
        ({"k": None}, "contradicts itself"),
        (
            {"metadata": {"sae_lens_version": "6.5.1", "tickle": {"variant": "relu", "k": 3}}},
            "contradicts itself",
        ),
    ],
)
def test_what_cannot_be_ours_is_refused(tmp_path, changes, why):
    of_theirs(tmp_path, "topk")
    config, weights = read(tmp_path)
    write(tmp_path, config | changes, weights)
    with pytest.raises(TickleError, match=why):
        import_saelens(tmp_path)


def test_rounding_is_refused(tmp_path):
    of_theirs(tmp_path, "standard", torch.float64)
    with pytest.raises(TickleError, match="float64"):
        import_saelens(tmp_path)


def test_further_weights_are_refused(tmp_path):
    of_theirs(tmp_path, "standard")
    config, weights = read(tmp_path)
    write(tmp_path, config, weights | {"scaling_factor": torch.ones(LATENTS)})
    with pytest.raises(TickleError, match="scaling_factor"):
        import_saelens(tmp_path)


@pytest.mark.parametrize("name", ["cfg.json", "sae_weights.safetensors"])
def test_a_missing_or_damaged_file_is_named(tmp_path, name):
    of_theirs(tmp_path, "topk")
    (tmp_path / name).write_text("not what it seems")
    with pytest.raises(TickleError, match=name):
        import_saelens(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(TickleError, match=name):
        import_saelens(tmp_path)


class Malicious:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def test_nothing_is_unpickled(tmp_path):
    of_theirs(tmp_path, "topk")
    touched = tmp_path / "touched"
    (tmp_path / "sae_weights.safetensors").write_bytes(pickle.dumps(Malicious(touched)))
    with pytest.raises(TickleError, match="safetensors"):
        import_saelens(tmp_path)
    assert not touched.exists()
