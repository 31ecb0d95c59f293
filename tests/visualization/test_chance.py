"""Random units: as many as there are units, with the covariance of the data."""

import numpy as np
import torch

from tickle_core.maximization.objectives import Objective
from tickle_core.visualization import chance


def test_each_family_has_as_many_random_units_as_it_has_units():
    objectives = [
        *(Objective("channel", unit) for unit in (9, 4)),
        *(Objective("latent", unit) for unit in (70, 1, 3)),
        Objective("neuron", 9, 17),
        Objective("layer", 0),
        *(Objective("logit", unit) for unit in (5, 2)),
    ]
    assert chance.units(objectives) == [
        *(Objective("direction", unit) for unit in range(3)),
        Objective("point", 0, 17),
        *(Objective("mixture", unit) for unit in range(2)),
    ]
    assert chance.units(objectives[:2]) == [Objective("direction", unit) for unit in range(2)]
    assert chance.units([Objective("layer", 0)]) == []


def test_directions_have_the_covariance_of_the_rows():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((500, 5)) @ rng.standard_normal((5, 5)) + 100
    drawn = chance.directions(values.astype(np.float32), 20_000, rng).double()
    covariance = np.cov(values.T, ddof=0)
    assert drawn.shape == (20_000, 5)
    np.testing.assert_allclose(drawn.mean(0), 0, atol=0.1)
    scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    np.testing.assert_allclose((np.cov(drawn.T) - covariance) / scale, 0, atol=0.03)


def test_directions_depend_on_their_generator_alone():
    values = np.random.default_rng(0).standard_normal((30, 4))
    one, again, other = (
        chance.directions(values, 3, np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(one, again) and not torch.equal(one, other)
