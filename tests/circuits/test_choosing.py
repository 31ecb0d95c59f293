"""What is chosen beside the best parts, and the units that mean nothing."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tickle_core.circuits import choosing, pairing, rivals
from tickle_core.circuits.choosing import Candidates
from tickle_core.dictionaries import directions
from tickle_core.interventions.parts import ReadUnits


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def surveyed(layers):
    """Sixty directions that are far from orthogonal, five of them chosen."""
    store, splice = layers["layer2"]
    images, choice, _ = pairing.draw_halves(store, 3, 4, 0)
    directions = F.normalize(noise(60, store.tokens.shape[2]), dim=1)
    candidates = {"units": Candidates(ReadUnits(directions), 5, weigh=True, match=True)}
    rng = np.random.default_rng(0)
    survey = choosing.survey(candidates, store, splice, images, choice, rng)["units"]
    batches = list(choosing.batches(store, splice, images, choice, "testing"))
    return ReadUnits(directions), survey, batches


def carried(parts, batch, chosen):
    made = parts.between(batch).patched(torch.from_numpy(chosen[None]))
    return float((made - batch.target).square().sum())


def test_the_parts_of_the_largest_mean_screen_are_chosen(surveyed):
    parts, survey, batches = surveyed
    for batch in batches:
        screen = parts.between(batch).screen().mean(0).numpy()
        chosen = survey.chosen[batch.cell]
        assert chosen.sum() == 5
        assert screen[chosen].min() >= screen[~chosen].max()


def test_matched_parts_are_others_that_change_as_much(surveyed):
    parts, survey, batches = surveyed
    assert not (survey.chosen & survey.matched).any()
    for batch in batches:
        wanted = carried(parts, batch, survey.chosen[batch.cell])
        assert survey.carried[batch.cell] == pytest.approx(wanted, rel=1e-3)
        found = carried(parts, batch, survey.matched[batch.cell])
        assert 0.6 < found / wanted < 1.7  # a single part more or less is a good share of it


def test_so_many_first_parts_are_taken_as_carry_as_much(surveyed):
    _, survey, _ = surveyed
    for wanted in (0.0, 3.0, 1e9):
        found = choosing.as_much(survey, np.full(len(survey.order), wanted))
        for cell, chosen in enumerate(found):
            count = chosen.sum()
            assert set(np.flatnonzero(chosen)) == set(survey.order[cell][:count])
            sums = survey.amounts[cell][survey.order[cell]].cumsum()
            assert abs(sums[count - 1] - wanted) == np.abs(sums - wanted).min()


@pytest.mark.parametrize("classes", [2, 3, 4, 7])
def test_strangers_are_of_two_other_classes(classes):
    cells = np.argwhere(~np.eye(classes, dtype=bool))
    found = choosing.strangers(cells, np.random.default_rng(0))
    if classes < 4:
        assert found is None
        return
    for cell, other in zip(cells, cells[found], strict=True):
        assert len({*cell.tolist(), *other.tolist()}) == 4


def test_a_random_basis_is_orthonormal_and_another_for_another_seed():
    basis = directions.random_basis(24, 0)
    torch.testing.assert_close(basis @ basis.T, torch.eye(24), atol=1e-5, rtol=0)
    assert float((basis - directions.random_basis(24, 1)).norm()) > 1


def test_matching_pursuit_on_a_basis_keeps_the_largest_coefficients():
    basis, acts = directions.random_basis(10, 0), noise(30, 10)
    found = rivals.matching_pursuit(acts, basis, 3)
    exact = acts @ basis.T
    largest = exact.abs().argsort(dim=1, descending=True)[:, :3]
    expected = torch.zeros_like(exact).scatter(1, largest, exact.gather(1, largest))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_each_step_of_matching_pursuit_takes_what_its_direction_explains():
    directions, acts = F.normalize(noise(40, 8), dim=1), noise(50, 8, seed=1)
    left = acts.square().sum(1)
    for k in range(1, 6):
        found = rivals.matching_pursuit(acts, directions, k)
        assert ((found != 0).sum(1) <= k).all()
        missing = (acts - found @ directions).square().sum(1)
        assert (missing < left).all()
        left = missing
