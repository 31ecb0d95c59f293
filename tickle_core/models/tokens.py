"""A layer's output as tokens, and back: what the store keeps, and what the network's tail takes."""

from typing import Any

import torch


def to_tokens(output: torch.Tensor, layout: str) -> torch.Tensor:
    """A layer's output as tokens (N, positions, channels), losing nothing.

    Parameters
    ----------
    output
        (N, C, H, W), (N, H, W, C), (N, T, C) or (N, C).
    layout
        NCHW, NHWC, NTC or NC, from the model's card.

    Returns
    -------
    torch.Tensor
        Maps give H * W positions row by row, sequences T, vectors one.
    """
    if layout == "NCHW":
        return output.permute(0, 2, 3, 1).flatten(1, 2)
    if layout == "NHWC":
        return output.flatten(1, 2)
    return output.unsqueeze(1) if layout == "NC" else output


def from_tokens(tokens: torch.Tensor, layer: dict[str, Any]) -> torch.Tensor:
    """Tokens (N, positions, channels) -> the layer's output, as `to_tokens` had it.

    Parameters
    ----------
    layer
        Its entry in the model's card: `layout` and `shape`.

    Returns
    -------
    torch.Tensor
        (N, *shape). Maps (N, C, H, W) are channels_last in memory.
    """
    if layer["layout"] == "NCHW":
        channels, height, width = layer["shape"]
        return tokens.reshape(-1, height, width, channels).permute(0, 3, 1, 2)
    return tokens.reshape(-1, *layer["shape"])
