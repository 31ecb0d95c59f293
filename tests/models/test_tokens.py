"""Tokens and back."""

import pytest
import torch

from tickle_core.models.tokens import from_tokens, to_tokens

SHAPES = {"NCHW": [5, 2, 3], "NHWC": [2, 3, 5], "NTC": [6, 5], "NC": [5]}


@pytest.mark.parametrize("layout", SHAPES)
def test_there_and_back_loses_nothing(layout):
    output = torch.randn(4, *SHAPES[layout])
    tokens = to_tokens(output, layout)
    assert tokens.shape == (4, 1 if layout == "NC" else 6, 5)
    restored = from_tokens(tokens, {"layout": layout, "shape": SHAPES[layout]})
    assert torch.equal(restored, output)


def test_positions_run_row_by_row():
    maps = torch.randn(4, 5, 2, 3)
    tokens = to_tokens(maps, "NCHW")
    assert torch.equal(tokens[:, 4], maps[:, :, 1, 1])
    assert torch.equal(to_tokens(maps.permute(0, 2, 3, 1), "NHWC"), tokens)


def test_restored_maps_are_channels_last_in_memory():
    tokens = torch.randn(4, 6, 5)
    maps = from_tokens(tokens, {"layout": "NCHW", "shape": [5, 2, 3]})
    assert maps.is_contiguous(memory_format=torch.channels_last)
    assert maps.data_ptr() == tokens.data_ptr()
