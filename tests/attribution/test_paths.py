"""Paths that are no straight lines, and chains of real images."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from tickle_core.attribution import chains, paths
from tickle_core.models import path_integral


def test_blurring_is_scipy_s_with_mirrored_borders():
    images = torch.rand(2, 1, 20, 14, generator=torch.Generator().manual_seed(0))
    blur = paths.blurrer(images)
    found = blur(torch.arange(2), torch.tensor([0.0, 1.5, 3.0]))
    for place, deviation in enumerate((0.0, 1.5, 3.0)):
        for own, each in zip(images[:, 0], found[:, place, 0], strict=True):
            expected = gaussian_filter(own.numpy(), deviation, mode="reflect", truncate=8)
            np.testing.assert_allclose(each, expected, atol=2e-4)


def test_the_blurring_path_ends_at_the_image_and_keeps_its_mean():
    images = torch.rand(3, 2, 16, 16, generator=torch.Generator().manual_seed(1))
    found = paths.blurring(images)(torch.arange(3), torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(found[:, 2], images)
    means = found.mean((3, 4))
    torch.testing.assert_close(means[:, 0], means[:, 2])
    torch.testing.assert_close(found[:, 0], paths.blurred(images))
    assert found[:, 0].var() < found[:, 1].var() < found[:, 2].var()


def test_a_chain_passes_its_stations_at_even_times():
    stations = torch.arange(5.0).view(5, 1, 1, 1) * torch.ones(5, 1, 2, 2)
    table = torch.tensor([[0, 3, 4], [1, 2, 0]])
    path = path_integral.chain(stations, table, torch.tensor([3, 2]))
    found = path(torch.tensor([0, 1]), torch.tensor([0.0, 0.25, 0.5, 1.0]))[..., 0, 0, 0]
    np.testing.assert_allclose(found, [[0, 1.5, 3, 4], [1, 1.25, 1.5, 2]])


def test_chains_are_shortest_paths_in_the_neighbourhood_graph(monkeypatch):
    """Points on a line: the way leads over those between."""
    monkeypatch.setattr(chains, "NEIGHBOURS", 2)
    acts = np.stack([np.arange(21.0), np.zeros(21)], axis=1)
    found = chains.find(acts, np.array([0, 13]))
    assert found.reached.all()
    assert found.stations[0][0] == found.stations[1][0] == 10  # the middle
    assert found.stations[0][-1] == 0 and found.stations[1][-1] == 13
    assert found.stations[1] == [10, 11, 12, 13]


def test_what_the_graph_does_not_connect_has_no_chain(monkeypatch):
    monkeypatch.setattr(chains, "NEIGHBOURS", 3)
    rng = np.random.default_rng(0)
    acts = np.concatenate([rng.normal(size=(30, 3)), 500 + rng.normal(size=(5, 3))])
    found = chains.find(acts, np.array([2, 33, 7]))
    first = chains.find(acts, np.arange(35)).stations[0][0]
    assert found.reached.tolist() == [first != 2, False, first != 7]


def test_copies_of_an_image_are_neighbours_and_no_obstacle():
    rng = np.random.default_rng(1)
    acts = rng.normal(size=(40, 4))
    acts[20:25] = acts[3]
    assert chains.find(acts, np.array([22, 24])).reached.all()


def test_scattered_chains_have_the_same_ends_and_lengths():
    found = chains.Chains(np.array([True, True]), [[4, 5, 6, 7], [4, 1]])
    other = chains.scattered(found, 50, seed=0)
    assert [(each[0], each[-1], len(each)) for each in other] == [(4, 7, 4), (4, 1, 2)]
    assert other == chains.scattered(found, 50, seed=0)


@pytest.mark.parametrize("side", [28, 224])
def test_the_widest_blur_leaves_little(side):
    images = torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(0))
    assert paths.blurred(images).std() < 0.1 * images.std()
