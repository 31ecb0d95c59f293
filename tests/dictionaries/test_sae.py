"""Sparse autoencoders: definitions, recovery of a planted dictionary, honest metrics."""

import numpy as np
import pytest
import torch
from sklearn.metrics import explained_variance_score

from tickle_core.dictionaries import evaluation, sae, training
from tickle_core.errors import TickleError

CPU = torch.device("cpu")


def random_sae(variant="topk", d=6, latents=20, k=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    made = sae.SparseAutoencoder(d, latents, variant, k)
    with torch.no_grad():
        for weight in made.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
        made.normalize_decoder()
    return made


def matched_cosine(atoms, decoder):
    """Mean over planted directions of the best cosine with a learnt one."""
    return float((atoms @ decoder.T).max(1).mean())


def tokens_of(store, rows):
    return np.concatenate([acts for _, acts in store.token_blocks(rows)])


def test_encoding_follows_its_formula():
    x = torch.randn(7, 4, 6, generator=torch.Generator().manual_seed(1))
    relu = random_sae("relu")
    pre = (x - relu.b_dec) @ relu.w_enc + relu.b_enc
    torch.testing.assert_close(relu.encode(x), pre.relu())
    topk = random_sae("topk")
    z = topk.encode(x)
    assert ((z > 0).sum(-1) <= 3).all()
    kept = torch.where(pre >= pre.topk(3).values[..., -1:], pre, torch.zeros(())).relu()
    torch.testing.assert_close(z, kept)
    torch.testing.assert_close(topk.decode(z), z @ topk.w_dec + topk.b_dec)


def test_the_gradient_along_the_decoder_is_removed():
    made = random_sae("relu")
    made.decode(made.encode(torch.randn(50, 6))).square().sum().backward()
    made.remove_parallel_gradient()
    along = (made.w_dec.grad * made.w_dec).sum(1)
    assert made.w_dec.grad.norm() > 1
    assert (along.abs() <= 1e-5 * made.w_dec.grad.norm()).all()


@pytest.mark.parametrize("variant", ["topk", "relu"])
def test_folding_moves_the_scaling_into_the_weights(variant):
    made, folded = random_sae(variant), random_sae(variant)
    mean, scale = torch.randn(6), torch.tensor(3.5)
    folded.fold(mean, scale)
    raw = torch.randn(30, 6) * 4 + 1
    z = made.encode((raw - mean) / scale)
    torch.testing.assert_close(folded.encode(raw), z * scale, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        folded.decode(z * scale), made.decode(z) * scale + mean, rtol=1e-4, atol=1e-4
    )
    torch.testing.assert_close(folded.w_dec.norm(dim=1), torch.ones(20))


@pytest.mark.parametrize("variant", ["topk", "relu"])
def test_a_planted_dictionary_is_recovered(planted, section, variant):
    store, atoms = planted
    start = training._initialize(
        torch.from_numpy(tokens_of(store, store.train_rows[:50]).reshape(-1, 32) - 5.0),
        section(),
        seed=0,
    )
    learnt = training.train(store, section(variant=variant), seed=0, device=CPU)
    before = matched_cosine(atoms, start.w_dec.detach().numpy())
    after = matched_cosine(atoms, learnt.w_dec.detach().numpy())
    assert before < 0.9 < 0.93 < after
    judged = evaluation.evaluate(learnt, store, 5, 0, CPU).metrics
    assert judged["fvu"]["value"] < 0.1
    assert judged["fvu_permuted"]["value"] > 2 * judged["fvu"]["value"]


def test_training_is_deterministic(planted, section):
    store, _ = planted
    quick = section(tokens=20_000)
    one, two, other = (training.train(store, quick, seed, CPU).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["w_dec"], other["w_dec"])


def test_fvu_is_one_minus_scikit_learns_explained_variance(planted, section):
    store, _ = planted
    learnt = training.train(store, section(tokens=50_000), seed=0, device=CPU)
    judged = evaluation.evaluate(learnt, store, 5, 0, CPU).metrics
    held_out = tokens_of(store, store.test_rows).reshape(-1, 32)
    with torch.inference_mode():
        z = learnt.encode(torch.from_numpy(held_out))
        rebuilt = learnt.decode(z).numpy()
    # Scikit-learn takes the error's own mean off; ours counts a constant error as error.
    bias = np.square((held_out - rebuilt).mean(0)).sum() / held_out.var(0).sum()
    reference = 1 - explained_variance_score(held_out, rebuilt, multioutput="variance_weighted")
    assert judged["fvu"]["value"] == pytest.approx(reference + bias, rel=1e-4)
    low, high = judged["fvu"]["interval"]
    assert low < judged["fvu"]["value"] < high
    assert judged["l0"]["value"] == pytest.approx(float((z > 0).sum(1).double().mean()))
    dead = float((z > 0).sum(0).eq(0).double().mean())
    assert judged["dead_share"] == {"value": pytest.approx(dead), "n": len(held_out)}


def test_predicting_the_mean_has_an_fvu_of_one(planted):
    store, _ = planted
    constant = sae.SparseAutoencoder(32, 8, "relu", 1)
    held_out = tokens_of(store, store.test_rows).reshape(-1, 32)
    with torch.no_grad():
        constant.b_dec.copy_(torch.from_numpy(held_out.mean(0)))
    judged = evaluation.evaluate(constant, store, 5, 0, CPU)
    assert judged.metrics["fvu"]["value"] == pytest.approx(1, rel=1e-5)
    assert judged.metrics["dead_share"]["value"] == 1
    assert len(judged.top_images) == 0


def test_tables_equal_a_direct_computation(planted, monkeypatch):
    """Streamed in blocks of a few images, the same as all at once."""
    store, _ = planted
    monkeypatch.setattr(evaluation, "LATENT_BYTES", 40_000)
    made = random_sae("topk", 32, 40, 3)
    judged = evaluation.evaluate(made, store, 5, 0, CPU)
    rows = store.test_rows
    with torch.inference_mode():
        z = made.encode(torch.from_numpy(tokens_of(store, rows))).numpy()  # (n, positions, 40)
    flat = z.reshape(-1, 40).astype(np.float64)
    np.testing.assert_allclose(judged.latents["density"], (flat > 0).mean(0))
    np.testing.assert_allclose(judged.latents["mean_square"], np.square(flat).mean(0), rtol=1e-5)
    np.testing.assert_allclose(judged.latents["max"], flat.max(0))
    for latent, table in judged.top_images.groupby("latent"):
        strongest = z[:, :, latent].max(1)
        expected = np.sort(strongest)[::-1][:5]
        expected = expected[expected > 0]
        np.testing.assert_array_equal(table["rank"], np.arange(len(expected)))
        np.testing.assert_array_equal(table["value"], expected)
        for entry in table.itertuples():
            row = np.flatnonzero(store.image_ids[rows] == entry.image_id)[0]
            assert z[row, entry.position, latent] == np.float32(entry.value)


def test_saving_and_loading(tmp_path):
    made = random_sae("relu")
    sae.save(made, tmp_path)
    loaded = sae.load(tmp_path)
    x = torch.randn(4, 6)
    assert torch.equal(loaded.encode(x), made.encode(x))
    assert (loaded.variant, loaded.k) == ("relu", 3)
    (tmp_path / sae.WEIGHTS).write_bytes(b"no tensors")
    with pytest.raises(TickleError, match=f"{tmp_path} holds no readable SAE"):
        sae.load(tmp_path)


def test_the_learning_rate_warms_up_and_falls_to_zero():
    rates = [training._learning_rate(step, 100) for step in range(100)]
    assert rates[4] == 1 == max(rates)
    assert rates[:5] == sorted(rates[:5])
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[-1] < 0.001
