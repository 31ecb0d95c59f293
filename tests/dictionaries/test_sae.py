"""Sparse autoencoders by their formulas, on raw activations, on disk."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from tickle_core.dictionaries import sae
from tickle_core.errors import TickleError

VARIANTS = ["topk", "batchtopk", "relu", "jumprelu", "matryoshka"]
D, LATENTS, K = 6, 20, 3


def random_sae(variant="topk"):
    generator = torch.Generator().manual_seed(0)
    made = sae.SparseAutoencoder(D, LATENTS, variant, K)
    with torch.no_grad():
        for weight in (made.w_enc, made.b_enc, made.w_dec, made.b_dec):
            weight.copy_(torch.randn(weight.shape, generator=generator))
        if variant == "jumprelu":
            made.threshold.copy_(torch.rand(LATENTS, generator=generator))
        if variant in ("batchtopk", "matryoshka"):
            made.threshold.fill_(0.7)
        made.normalize_decoder()
    return made


def tokens(*shape, seed=1):
    return torch.randn(*shape, D, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("variant", VARIANTS)
def test_latents_follow_their_formula(variant):
    made, acts = random_sae(variant), tokens(200)
    pre = acts @ made.w_enc.T + made.b_enc
    above = {
        "topk": pre >= pre.topk(K).values[:, -1:],
        "relu": pre > 0,
        "jumprelu": pre > made.threshold,
        "batchtopk": pre > 0.7,
        "matryoshka": pre > 0.7,
    }[variant]
    latents = torch.where(above, pre, 0.0).relu()
    torch.testing.assert_close(made.encode(acts), latents)
    torch.testing.assert_close(made.decode(latents), latents @ made.w_dec + made.b_dec)

    codes = made.codes(acts)
    assert torch.equal(codes.dense(), made.encode(acts))
    assert sorted(codes.latents.tolist()) == sorted((latents > 0).nonzero()[:, 1].tolist())
    torch.testing.assert_close(made.decode_codes(codes), made.decode(latents))


def test_topk_leaves_out_what_is_not_positive():
    made = random_sae()
    with torch.no_grad():
        made.b_enc.fill_(-3)
    codes = made.codes(tokens(200))
    assert 0 < len(codes.latents) < 200 * K == len(codes.values)
    assert (codes.values >= 0).all()
    assert (codes.dense() > 0).sum() == len(codes.latents)


def test_any_number_of_leading_axes_is_encoded():
    made, acts = random_sae(), tokens(4, 5)
    latents = made.encode(acts)
    assert latents.shape == (4, 5, LATENTS)
    torch.testing.assert_close(latents[2, 3], made.encode(acts[2, 3]))
    assert made.decode(latents).shape == acts.shape


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_tokens_have_no_latents(variant):
    made = random_sae(variant)
    assert made.encode(tokens(0)).shape == (0, LATENTS)
    assert made.decode_codes(made.codes(tokens(0))).shape == (0, D)


def test_values_are_exact_where_bfloat16_chooses():
    made, acts = random_sae(), tokens(500)
    rough = made.codes(acts, "bfloat16")
    pre = acts @ made.w_enc.T + made.b_enc
    torch.testing.assert_close(rough.values, pre[rough.pattern.rows, rough.pattern.columns].relu())
    assert rough.values.dtype == torch.float32
    same = (rough.dense() > 0) == (made.encode(acts) > 0)
    assert 0.99 < same.float().mean() < 1


def test_the_gradient_along_the_decoder_is_removed():
    """What remains is the gradient of a decoder whose rows are normalised before they are used."""
    made, acts = random_sae("relu"), tokens(50)
    latents = made.encode(acts)
    (made.decode(latents) - acts).square().sum().backward()
    made.remove_parallel_gradient()
    along = (made.w_dec.grad * made.w_dec).sum(1)
    assert along.abs().max() < 1e-6 * made.w_dec.grad.norm()

    free = made.w_dec.detach().clone().requires_grad_()
    unit = free / free.norm(dim=1, keepdim=True)
    (latents @ unit + made.b_dec.detach() - acts).square().sum().backward()
    torch.testing.assert_close(made.w_dec.grad, free.grad, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("variant", VARIANTS)
def test_folding_moves_the_scaling_into_the_weights(variant):
    made, folded = random_sae(variant), random_sae(variant)
    mean, scale = 100 * tokens(), torch.tensor(3.5)
    folded.fold(mean, scale)
    standardized = tokens(300)
    raw = standardized * scale + mean
    latents = made.encode(standardized)
    torch.testing.assert_close(folded.encode(raw), latents * scale, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(
        folded.decode(latents * scale), made.decode(latents) * scale + mean, rtol=1e-4, atol=1e-3
    )
    assert torch.equal(folded.w_dec, made.w_dec)


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_saved_is_what_is_loaded(tmp_path, variant):
    made = random_sae(variant)
    sae.save(made, tmp_path)
    loaded = sae.load(str(tmp_path))
    assert (loaded.variant, loaded.k, loaded.training) == (variant, K, False)
    for name, weight in made.named_parameters():
        assert torch.equal(weight, loaded.get_parameter(name))
    acts = tokens(50)
    assert torch.equal(loaded.encode(acts), made.encode(acts))


def test_the_same_sae_is_the_same_bytes(tmp_path):
    contents = []
    for _ in range(2):
        sae.save(random_sae(), tmp_path)
        contents.append([(tmp_path / name).read_bytes() for name in (sae.WEIGHTS, sae.CARD)])
    assert contents[0] == contents[1]


def card_with(**changes):
    def damage(directory):
        card = json.loads((directory / sae.CARD).read_text())
        (directory / sae.CARD).write_text(json.dumps(card | changes))

    return damage


def without_thresholds(directory):
    weights = load_file(directory / sae.WEIGHTS)
    del weights["threshold"]
    save_file(weights, directory / sae.WEIGHTS)


DAMAGES = {
    "no card": lambda directory: (directory / sae.CARD).unlink(),
    "no weights": lambda directory: (directory / sae.WEIGHTS).unlink(),
    "no tensors": lambda directory: (directory / sae.WEIGHTS).write_bytes(b"no tensors"),
    "empty weights": lambda directory: (directory / sae.WEIGHTS).write_bytes(b""),
    "no json": lambda directory: (directory / sae.CARD).write_text("{"),
    "a list": lambda directory: (directory / sae.CARD).write_text("[1]"),
    "another width": card_with(latents=LATENTS + 1),
    "an unknown key": card_with(colour="red"),
    "an unknown variant": card_with(variant="gated"),
    "a tensor missing": without_thresholds,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_what_cannot_be_loaded_is_named(tmp_path, damage):
    sae.save(random_sae(), tmp_path)
    damage(tmp_path)
    with pytest.raises(TickleError, match=f"{tmp_path} holds no readable SAE") as caught:
        sae.load(tmp_path)
    assert "\n" not in str(caught.value)
