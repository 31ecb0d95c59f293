"""Positions as sites."""

import pytest
import torch

from tickle_core.circuits.sites import find_sites

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("positions", "prefix", "grid", "most", "joined", "count"),
    [
        (49, [], [7, 7], 256, [1, 1], 49),
        (784, [], [28, 28], 256, [2, 2], 196),
        (3136, [], [56, 56], 256, [4, 4], 196),
        (49, [], [7, 7], 16, [2, 2], 16),
        (49, [], [7, 7], 28, [1, 2], 28),
        (201, ["class"] + 4 * ["register"], [14, 14], 54, [2, 2], 54),
        (1, [], None, 256, [1, 1], 1),
        (100, [], None, 30, [1, 4], 25),
        (12, [], [2, 6], 1, [2, 6], 1),
        (5, ["class"], [2, 2], 1, [2, 2], 2),
    ],
)
def test_sites_are_the_smallest_blocks_of_which_there_are_few_enough(
    positions, prefix, grid, most, joined, count
):
    found = find_sites(positions, prefix, grid, most)
    masks = found.masks(CPU)
    assert found.joined == joined
    assert masks.shape == (count, positions)
    assert (masks.sum(0) == 1).all() and (masks.sum(1) >= 1).all()
    assert torch.equal(masks[: len(prefix), : len(prefix)], torch.eye(len(prefix), dtype=bool))
    if grid:
        assert found.grid == [-(-grid[0] // joined[0]), -(-grid[1] // joined[1])]
        block = masks[len(prefix), len(prefix) :].view(grid)
        assert block[: joined[0], : joined[1]].all()
        assert block.sum() == joined[0] * joined[1]
    else:
        assert found.grid is None
