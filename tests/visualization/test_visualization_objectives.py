import numpy as np
import pytest
import torch

from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.errors import TickleError
from tickle_core.visualization.objectives import Objective, Readout
from tickle_core.visualization.penalties import l2, similarity, total_variation

CPU = torch.device("cpu")
D, LATENTS, CLASSES = 6, 10, 4
MAP = {"layout": "NCHW", "shape": [D, 2, 3], "prefix": [], "grid": [2, 3]}
SEQUENCE = {"layout": "NTC", "shape": [7, D], "prefix": ["class", "register", "register"]}
VECTOR = {"layout": "NC", "shape": [D], "prefix": []}
LAYERS = {"map": MAP, "sequence": SEQUENCE, "vector": VECTOR}
POSITIONS = {"map": 6, "sequence": 7, "vector": 1}


@pytest.fixture
def sae():
    generator = torch.Generator().manual_seed(0)
    sae = SparseAutoencoder(D, LATENTS, "topk", 2)
    for parameter in (sae.w_enc, sae.b_enc, sae.w_dec):
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return sae


@pytest.fixture
def directions():
    return torch.randn(3, D, generator=torch.Generator().manual_seed(1))


def draws(layer, count):
    generator = torch.Generator().manual_seed(2)
    tokens = torch.randn(count, POSITIONS[layer], D, generator=generator)
    return tokens, torch.randn(count, CLASSES, generator=generator)


def of_each_family(layer):
    return [
        Objective("channel", 5),
        Objective("channel", 0),
        Objective("neuron", 2, POSITIONS[layer] - 1),
        Objective("neuron", 2, 0),
        Objective("layer", 0),
        Objective("direction", 1),
        Objective("latent", 9),
        Objective("logit", 3),
    ]


def reference(objective, tokens, logits, prefix, sae, directions):
    """Of one image: value at every patch, or the one value."""
    patches = tokens[prefix:]
    match objective.family:
        case "channel":
            return patches[:, objective.unit]
        case "neuron":
            return tokens[objective.position, objective.unit]
        case "layer":
            return (patches**2).sum(1).mean()
        case "direction":
            return patches @ directions[objective.unit]
        case "latent":
            return patches @ sae.w_enc[objective.unit] + sae.b_enc[objective.unit]
        case "logit":
            return logits[objective.unit]


@pytest.mark.parametrize("layer", LAYERS)
def test_values_are_those_of_the_definition(layer, sae, directions):
    objectives = of_each_family(layer)
    readout = Readout(objectives, LAYERS[layer], sae, directions, CPU)
    tokens, logits = draws(layer, len(objectives))
    ascended, score = readout.ascended(tokens, logits), readout.score(tokens, logits)
    scores, positions = readout.responses(tokens, logits)
    prefix = len(LAYERS[layer]["prefix"])
    with torch.no_grad():
        for i, image in enumerate(tokens):
            for j, objective in enumerate(objectives):
                values = reference(objective, image, logits[i], prefix, sae, directions)
                assert scores[i, j].item() == pytest.approx(values.max().item(), rel=1e-5, abs=1e-6)
                if i == j:
                    assert ascended[i].item() == pytest.approx(values.mean().item(), 1e-4, 1e-6)
                    assert score[i].item() == pytest.approx(values.max().item(), 1e-4, 1e-6)
                expected = {"neuron": objective.position, "layer": -1, "logit": -1}
                place = values.argmax().item() + prefix
                assert positions[i, j] == expected.get(objective.family, place)
    assert positions.dtype == torch.int64


def test_what_is_ascended_has_a_gradient_at_every_patch(sae, directions):
    objectives = of_each_family("sequence")
    readout = Readout(objectives, SEQUENCE, sae, directions, CPU)
    tokens, logits = draws("sequence", len(objectives))
    tokens.requires_grad_()
    logits.requires_grad_()
    readout.ascended(tokens, logits).sum().backward()
    touched = tokens.grad.abs().sum(2) > 0
    for objective, at, logit in zip(objectives, touched, logits.grad, strict=True):
        places = at.nonzero().flatten().tolist()
        match objective.family:
            case "neuron":
                assert places == [objective.position]
            case "logit":
                assert places == [] and logit.nonzero().tolist() == [[objective.unit]]
            case _:
                assert places == [3, 4, 5, 6]


def test_of_equal_patches_the_first_is_named():
    readout = Readout([Objective("channel", 1)], MAP, None, None, CPU)
    tokens = torch.zeros(2, 6, D)
    tokens[1, [3, 5], 1] = 2
    assert readout.responses(tokens, None)[1].tolist() == [[0], [3]]


def test_logits_are_not_needed_without_the_family_logit(sae):
    objectives = [Objective("layer", 0), Objective("latent", 3)]
    readout = Readout(objectives, MAP, sae, None, CPU)
    tokens, _ = draws("map", 2)
    assert readout.ascended(tokens, None).shape == readout.score(tokens, None).shape == (2,)
    assert readout.responses(tokens, None)[0].shape == (2, 2)


@pytest.mark.parametrize(
    ("objective", "named"),
    [
        (Objective("channel", D), "no channel 6 .* has 6"),
        (Objective("latent", LATENTS), "no latent 10 .* has 10"),
        (Objective("direction", 0), "no direction 0 .* has 0"),
        (Objective("neuron", 0, 6), "position 6 .* has 6"),
        (Objective("neuron", 0), "position None"),
    ],
)
def test_what_does_not_exist_is_refused(objective, named, sae):
    with pytest.raises(TickleError, match=named):
        Readout([objective], MAP, sae, None, CPU)


def test_total_variation_of_known_pictures():
    rows, columns = np.indices((6, 9))
    checkerboard = torch.from_numpy((rows + columns) % 2).float().expand(1, 3, 6, 9)
    stripes = torch.from_numpy(columns % 2).float().expand(1, 3, 6, 9)
    constant = torch.full((1, 3, 6, 9), 0.3)
    found = total_variation(torch.cat([checkerboard, stripes, constant]))
    across, down = 6 * 8, 5 * 9  # pairs
    np.testing.assert_allclose(found, [1, across / (across + down), 0], atol=1e-7)


def test_l2_is_the_mean_squared_distance_from_grey():
    pictures = torch.stack([torch.full((3, 4, 4), 0.5), torch.ones(3, 4, 4)])
    pictures = torch.cat([pictures, torch.tensor([0.0, 0.5]).repeat(1, 3, 4, 2)])
    np.testing.assert_allclose(l2(pictures), [0, 0.25, 0.125])


@pytest.mark.parametrize("positions", [3, 20])  # fewer, and more, than channels
def test_similarity_is_the_mean_cosine_of_gram_matrices(positions):
    tokens = torch.randn(6, positions, 8, generator=torch.Generator().manual_seed(0))
    grams = (tokens.mT @ tokens).flatten(1)
    cosines = torch.nn.functional.cosine_similarity(grams[:, None], grams, dim=-1)
    expected = [(cosines[i].view(2, 3)[i // 3].sum() - cosines[i, i]).item() / 2 for i in range(6)]
    np.testing.assert_allclose(similarity(tokens, 3), expected, rtol=1e-4)


def test_similarity_does_not_see_where_and_how_strong():
    tokens = torch.randn(1, 9, 4, generator=torch.Generator().manual_seed(0))
    moved = 1000 * tokens[:, torch.randperm(9)]
    np.testing.assert_allclose(similarity(torch.cat([tokens, moved]), 2), [1, 1], rtol=1e-5)


def test_similarity_of_single_positions_is_that_of_the_tokens():
    tokens = torch.tensor([[[1.0, 0.0]], [[-3.0, 0.0]], [[0.0, 2.0]]])
    np.testing.assert_allclose(similarity(tokens, 3), [-0.5, -0.5, 0], atol=1e-6)


def test_similarity_of_one_picture_is_nothing():
    assert similarity(torch.rand(3, 4, 5), 1).tolist() == [0, 0, 0]


@pytest.mark.parametrize("positions", [1, 3, 20])
def test_silent_tokens_are_like_nothing_and_have_finite_gradients(positions):
    tokens = torch.rand(2, positions, 8)
    tokens[0] = 0
    tokens.requires_grad_()
    found = similarity(tokens, 2)
    found.sum().backward()
    assert found.tolist() == [0, 0]
    assert tokens.grad.isfinite().all()
