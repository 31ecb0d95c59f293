"""Losses and their sparse gradients: exactly those of plain dense autograd."""

import numpy as np
import pytest
import torch

from tickle_core.dictionaries import objectives, training
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.dictionaries.stream import Sample

VARIANTS = ["topk", "batchtopk", "relu", "jumprelu", "matryoshka"]
D, LATENTS, K, TOKENS = 8, 40, 5, 120
L1 = 0.07
FEW, MANY = [3, 17, 31], list(range(0, LATENTS, 2))  # less and more than k


def ref_latents(weights, variant, acts):
    """Dense latents (n, m), and how many are active where that has a gradient, else None."""
    pre = acts @ weights["w_enc"].T + weights["b_enc"]
    if variant == "topk":
        chosen = pre.topk(K)
        return torch.zeros_like(pre).scatter(1, chosen.indices, chosen.values.relu()), None
    if variant == "relu":
        return pre.relu(), None
    if variant == "jumprelu":
        threshold, width = weights["threshold"], objectives.BANDWIDTH
        moved = threshold - threshold.detach()  # 0, with a gradient of 1
        kernel = ((pre - threshold).detach().abs() <= width / 2).to(pre.dtype) / width
        above = (pre > threshold).to(pre.dtype)
        return pre * above - threshold.detach() * kernel * moved, (above - kernel * moved).sum()
    floor = pre.flatten().topk(K * len(acts)).values[-1]
    return torch.where((pre >= floor) & (pre > 0), pre, 0.0), None


def ref_loss(weights, variant, acts, dead):
    """The dense loss, by its formula, and the latents."""
    latents, active = ref_latents(weights, variant, acts)
    w_dec, b_dec = weights["w_dec"], weights["b_dec"]
    prefixes = [LATENTS // part for part in (16, 8, 4, 2, 1)] if variant == "matryoshka" else [None]
    errors = [acts - (latents[:, :m] @ w_dec[:m] + b_dec) for m in prefixes]
    total = sum(error.square().sum(1).mean() for error in errors) / len(errors)
    if variant == "relu":
        total = total + L1 * latents.abs().sum(1).mean()
    if variant == "jumprelu":
        total = total + objectives.L0_WEIGHT * (active / len(acts) / K - 1) ** 2
    if len(dead):
        target = errors[-1].detach()
        pre = acts @ weights["w_enc"].T + weights["b_enc"]
        alive = torch.ones(LATENTS, dtype=torch.bool)
        alive[dead] = False
        chosen = pre.masked_fill(alive, -torch.inf).topk(min(len(dead), K)).indices
        revived = torch.zeros_like(pre).scatter(1, chosen, pre.gather(1, chosen))
        missed = (target - revived @ w_dec).square().sum()
        total = total + objectives.AUX_WEIGHT * missed / target.square().sum()
    return total, latents


def random_sae(variant, dtype):
    generator = torch.Generator().manual_seed(1)
    sae = SparseAutoencoder(D, LATENTS, variant, K)
    with torch.no_grad():
        for weight in (sae.w_enc, sae.b_enc, sae.w_dec, sae.b_dec):
            weight.copy_(0.4 * torch.randn(weight.shape, generator=generator))
        if variant == "jumprelu":
            sae.threshold.copy_(torch.rand(LATENTS, generator=generator))
            sae.threshold[::5] = 0.004  # a band that reaches below zero
        sae.normalize_decoder()
    return sae.to(dtype)


def tokens(dtype=torch.float64, seed=0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(TOKENS, D, generator=generator, dtype=torch.float64).to(dtype)


def clones(sae):
    return {
        name: weight.detach().clone().requires_grad_(weight.requires_grad)
        for name, weight in sae.named_parameters()
    }


@pytest.fixture
def made_by(recipe):
    def make(variant, **changes):
        return recipe(variant=variant, latents=LATENTS, k=K, l1=L1, **changes)

    return make


# The constant in the kernel of jumprelu's threshold is rounded to float32 in any case.
@pytest.mark.parametrize(
    "dtype, rtol, atol", [(torch.float64, 1e-7, 1e-9), (torch.float32, 1e-4, 2e-6)]
)
@pytest.mark.parametrize("dead", [[], FEW, MANY], ids=["none dead", "few dead", "many dead"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_loss_and_gradients_are_those_of_the_dense_computation(
    made_by, variant, dead, dtype, rtol, atol
):
    sae, acts = random_sae(variant, dtype), tokens(dtype)
    weights = clones(sae)
    ours = objectives.loss(sae, acts, made_by(variant), torch.tensor(dead, dtype=torch.int64))
    ours.total.backward()
    total, latents = ref_loss(weights, variant, acts, dead)
    total.backward()
    torch.testing.assert_close(ours.total, total, rtol=rtol, atol=atol)
    torch.testing.assert_close(ours.codes.dense(), latents, rtol=rtol, atol=atol)
    for name, weight in sae.named_parameters():
        if name == "threshold" and variant != "jumprelu":
            continue
        assert weights[name].grad.abs().max() > 1e-3
        torch.testing.assert_close(weight.grad, weights[name].grad, rtol=rtol, atol=atol)


def test_a_latent_that_is_not_active_has_no_gradient(made_by):
    sae = random_sae("topk", torch.float64)
    with torch.no_grad():
        sae.b_enc[:3] = -100
    objectives.loss(
        sae, tokens(), made_by("topk"), torch.tensor([], dtype=torch.int64)
    ).total.backward()
    for weight in (sae.w_enc, sae.b_enc, sae.w_dec):
        assert not weight.grad[:3].any()
        assert weight.grad[3:].any()


@pytest.mark.parametrize("dead", [FEW, MANY])
def test_reviving_pulls_at_the_dead_alone(made_by, dead):
    """What the living leave over is held fixed: no gradient through it, none to the bias."""
    gradients = []
    for each in ([], dead):
        sae = random_sae("topk", torch.float64)
        each = torch.tensor(each, dtype=torch.int64)
        objectives.loss(sae, tokens(), made_by("topk"), each).total.backward()
        gradients.append([w.grad for w in (sae.w_enc, sae.b_enc, sae.w_dec, sae.b_dec)])
    living = np.setdiff1d(np.arange(LATENTS), dead)
    *of_latents, of_bias = zip(*gradients, strict=True)
    assert torch.equal(*of_bias)
    for without, with_dead in of_latents:
        assert torch.equal(without[living], with_dead[living])
        assert not torch.equal(without[dead], with_dead[dead])


def test_reviving_in_numbers():
    """Worked by hand: k = 1, so the larger one of two dead latents is used."""
    sae = SparseAutoencoder(2, 4, "topk", 1).double()
    with torch.no_grad():
        sae.b_dec.fill_(100)  # plays no part
        sae.w_enc[1], sae.w_dec[1] = torch.tensor([[1.0, 0], [0, 1]])
        sae.w_enc[2], sae.w_dec[2] = torch.tensor([[0.5, 0], [1, 0]])
        sae.b_enc.copy_(torch.tensor([50.0, 0, 1, 0]))  # latent 0 is alive
    acts = torch.tensor([[1.0, 0]], dtype=torch.float64)
    # Latent 1 is at 1, latent 2 at 1.5: of the target (1, 0), (-0.5, 0) remains.
    error = torch.tensor([[-1.0, 0]], dtype=torch.float64, requires_grad=True)
    missed = objectives.auxiliary_loss(sae, acts, error, torch.tensor([1, 2]))
    assert missed.item() == 0.25
    # In the unit of the target's square, whatever its size.
    twice = objectives.auxiliary_loss(sae, acts, 2 * error, torch.tensor([1, 2]))
    assert twice.item() == 0.5**2 / 4
    missed.backward()
    assert error.grad is None
    assert sae.b_dec.grad is None or not sae.b_dec.grad.any()
    assert sae.w_enc.grad.tolist() == [[0, 0], [0, 0], [1, 0], [0, 0]]
    assert sae.b_enc.grad.tolist() == [0, 0, 1, 0]
    assert sae.w_dec.grad.tolist() == [[0, 0], [0, 0], [1.5, 0], [0, 0]]
    # Below zero, at -4 and -4.5, they still count, or nothing would ever bring them back.
    with torch.no_grad():
        sae.b_enc[1:] = -5
    assert objectives.auxiliary_loss(sae, acts, error, torch.tensor([1, 2])).item() == 1 + 4**2


def ref_steps(start, variant, recipe, batches):
    """Dense training: parallel gradient off, clipped to norm 1, Adam, unit rows again."""
    weights = clones(start)
    learnt = [weight for weight in weights.values() if weight.requires_grad]
    optimizer = torch.optim.Adam(learnt, lr=1.0)
    silence = torch.zeros(LATENTS)
    norms, revived, bounded = [], 0, 0
    for step, acts in enumerate(batches):
        dead = (silence >= recipe.dead_after).nonzero()[:, 0]
        revived += len(dead)
        optimizer.zero_grad()
        total, latents = ref_loss(weights, variant, acts, dead)
        total.backward()
        rows, grad = weights["w_dec"].detach(), weights["w_dec"].grad
        grad -= (grad * rows).sum(1, keepdim=True) * rows
        norms.append(torch.cat([weight.grad.flatten() for weight in learnt]).norm())
        for weight in learnt:
            weight.grad *= min(1.0, 1 / float(norms[-1]))
        optimizer.param_groups[0]["lr"] = recipe.learning_rate * training.rate(step, recipe.steps)
        optimizer.step()
        with torch.no_grad():
            weights["w_dec"] /= weights["w_dec"].norm(dim=1, keepdim=True)
            weights["threshold"].clamp_(min=0)
        bounded += int((weights["threshold"] == 0).sum())
        silence += len(acts)
        silence[(latents > 0).any(0)] = 0
    assert max(norms) > 1 > min(norms), "a case in which clipping is not seen"
    assert revived, "a case in which reviving is not seen"
    assert bounded or variant != "jumprelu", "a case in which no threshold is held at zero"
    return weights


@pytest.mark.parametrize("variant", VARIANTS)
def test_steps_of_training_are_those_of_the_dense_computation(made_by, variant):
    recipe = made_by(variant, dead_after=2 * TOKENS, batch_size=TOKENS, tokens=8 * TOKENS)
    batches = [
        tokens(seed=step, scale=scale) for step, scale in enumerate([1, 0.3, 1, 2, 1, 1, 0.3, 1])
    ]
    drawn = tokens(torch.float32, seed=50)
    trainee = training.Trainee(recipe, Sample(drawn, torch.zeros(D), torch.tensor(1.0)))
    trainee.sae.double()
    with torch.no_grad():
        trainee.sae.b_enc[:4] = -1.5  # a few that are silent for a while
        if variant == "jumprelu":  # too few are active: thresholds fall, but not below zero
            trainee.sae.threshold.fill_(1.0)[::10] = 1e-3
    expected = ref_steps(trainee.sae, variant, recipe, batches)
    for acts in batches:
        trainee.step(acts)
    for name, weight in trainee.sae.named_parameters():
        if name == "threshold" and variant != "jumprelu":
            continue
        torch.testing.assert_close(weight, expected[name], rtol=1e-5, atol=1e-7)
