import numpy as np
import pytest
import torch

from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.errors import TickleError
from tickle_core.maximization.families import SOFTNESS
from tickle_core.maximization.objectives import Objective, Readout, Sources, softened_maximum
from tickle_core.maximization.penalties import l2, similarity, total_variation

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
def sources(sae):
    generator = torch.Generator().manual_seed(1)
    return Sources(
        patches=torch.randn(40, D, generator=generator),
        sae=sae,
        directions=torch.randn(3, D, generator=generator),
        mixtures=torch.randn(2, CLASSES, generator=generator),
    )


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
        Objective("point", 2, POSITIONS[layer] - 1),
        Objective("latent", 9),
        Objective("logit", 3),
        Objective("mixture", 1),
    ]


def values_at(objective, tokens, logits, prefix, sources):
    """Of one image: value at every patch, or the one value."""
    patches, unit, sae = tokens[prefix:], objective.unit, sources.sae
    match objective.family:
        case "channel":
            return patches[:, unit]
        case "neuron":
            return tokens[objective.position, unit]
        case "point":
            return tokens[objective.position] @ sources.directions[unit]
        case "layer":
            return (patches**2).sum(1).mean()
        case "direction":
            return patches @ sources.directions[unit]
        case "latent":
            return patches @ sae.w_enc[unit] + sae.b_enc[unit]
        case "logit":
            return logits[unit]
        case "mixture":
            return logits @ sources.mixtures[unit]


def softened(values, objective, sources):
    """The definition, in numpy; single values are their own."""
    if values.ndim == 0:
        return values.item()
    natural = values_at(objective, sources.patches, None, 0, sources).detach().numpy()
    temperature = SOFTNESS * natural.std()
    return temperature * np.log(np.mean(np.exp(values.numpy() / temperature)))


@pytest.mark.parametrize("layer", LAYERS)
def test_values_are_those_of_the_definition(layer, sources):
    objectives = of_each_family(layer)
    readout = Readout(objectives, LAYERS[layer], sources, CPU)
    tokens, logits = draws(layer, len(objectives))
    with torch.no_grad():
        own, found = readout.score(tokens, logits), readout.responses(tokens, logits)
        prefix = len(LAYERS[layer]["prefix"])
        for i, image in enumerate(tokens):
            for j, objective in enumerate(objectives):
                values = values_at(objective, image, logits[i], prefix, sources)
                expected = softened(values, objective, sources)
                assert found.scores[i, j].item() == pytest.approx(expected, 1e-4, 1e-5)
                assert found.maxima[i, j].item() == pytest.approx(values.max().item(), 1e-4, 1e-5)
                assert found.means[i, j].item() == pytest.approx(values.mean().item(), 1e-4, 1e-5)
                place = {
                    "neuron": objective.position,
                    "point": objective.position,
                    "layer": -1,
                    "logit": -1,
                    "mixture": -1,
                }
                position = values.argmax().item() + prefix
                assert found.positions[i, j] == place.get(objective.family, position)
    # What is ascended is what is scored.
    torch.testing.assert_close(own, found.scores.diagonal(), rtol=1e-5, atol=1e-5)
    assert found.positions.dtype == torch.int64


def test_a_softened_maximum_lies_between_mean_and_maximum():
    values = torch.randn(50, 30, generator=torch.Generator().manual_seed(0))
    mean, maximum = values.mean(1), values.amax(1)
    before = maximum
    for temperature in (0.01, 0.3, 1.0, 3.0, 1000.0):
        found = softened_maximum(values, torch.tensor([temperature]))
        assert (found > mean - 1e-3).all() and (found < before).all()
        before = found
    cold, hot = (softened_maximum(values, torch.tensor([x])) for x in (1e-3, 1000.0))
    torch.testing.assert_close(cold, maximum, rtol=0, atol=0.01)
    torch.testing.assert_close(hot, mean, rtol=0, atol=0.01)
    torch.testing.assert_close(
        softened_maximum(values + 7, torch.tensor([1.0])),
        softened_maximum(values, torch.tensor([1.0])) + 7,
    )
    alike = torch.full((1, 30), 4.0)
    assert softened_maximum(alike, torch.tensor([1.0])).item() == pytest.approx(4)


def test_the_temperature_goes_with_the_unit(sources):
    """A unit that is counted in other numbers scores the same, in those numbers."""
    tokens, _ = draws("map", 3)
    scaled = Sources(sources.patches, directions=100 * sources.directions)
    objectives = [Objective("direction", i) for i in range(3)]
    one, other = (
        Readout(objectives, MAP, each, CPU).responses(tokens, None).scores
        for each in (sources, scaled)
    )
    torch.testing.assert_close(100 * one, other)


def test_a_unit_that_never_varies_is_read_all_the_same(sources):
    still = Sources(torch.ones(5, D))
    tokens, _ = draws("map", 1)
    score = Readout([Objective("channel", 1)], MAP, still, CPU).score(tokens, None)
    assert score.isfinite().all()


def test_what_is_ascended_has_a_gradient_at_every_patch(sources):
    objectives = of_each_family("sequence")
    readout = Readout(objectives, SEQUENCE, sources, CPU)
    tokens, logits = draws("sequence", len(objectives))
    tokens.requires_grad_()
    logits.requires_grad_()
    readout.score(tokens, logits).sum().backward()
    touched = tokens.grad.abs().sum(2) > 0
    for objective, at, logit in zip(objectives, touched, logits.grad, strict=True):
        places = at.nonzero().flatten().tolist()
        match objective.family:
            case "neuron" | "point":
                assert places == [objective.position]
            case "logit":
                assert places == [] and logit.nonzero().tolist() == [[objective.unit]]
            case "mixture":
                assert places == [] and len(logit.nonzero()) == CLASSES
            case _:
                assert places == [3, 4, 5, 6]


def test_some_of_the_objectives_read_as_they_do_among_all(sources):
    objectives = of_each_family("sequence")
    readout = Readout(objectives, SEQUENCE, sources, CPU)
    places = [9, 2, 2, 0, 6, 4]
    part = readout.take(places)
    assert part.objectives == tuple(objectives[place] for place in places)
    tokens, logits = draws("sequence", 4)
    for one, every in zip(
        part.responses(tokens, logits), readout.responses(tokens, logits), strict=True
    ):
        torch.testing.assert_close(one, every[:, places])


def test_of_equal_patches_the_first_is_named(sources):
    readout = Readout([Objective("channel", 1)], MAP, sources, CPU)
    tokens = torch.zeros(2, 6, D)
    tokens[1, [3, 5], 1] = 2
    assert readout.responses(tokens, None).positions.tolist() == [[0], [3]]


def test_logits_are_not_needed_without_families_of_logits(sources):
    objectives = [Objective("layer", 0), Objective("latent", 3)]
    readout = Readout(objectives, MAP, sources, CPU)
    tokens, _ = draws("map", 2)
    assert readout.score(tokens, None).shape == (2,)
    assert readout.responses(tokens, None).scores.shape == (2, 2)


@pytest.mark.parametrize(
    ("objective", "named"),
    [
        (Objective("channel", D), "no channel 6 .* has 6"),
        (Objective("latent", LATENTS), "no latent 10 .* has 10"),
        (Objective("direction", 0), "no direction 0 .* has 0"),
        (Objective("mixture", 0), "no mixture 0 .* has 0"),
        (Objective("neuron", 0, 6), "neuron at position 6 .* has 6"),
        (Objective("neuron", 0), "position None"),
    ],
)
def test_what_does_not_exist_is_refused(objective, named, sae):
    with pytest.raises(TickleError, match=named):
        Readout([objective], MAP, Sources(torch.zeros(2, D), sae), CPU)


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
