"""The layers of a network: what each puts out, whether it is a clean cut, what follows it."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from math import isqrt
from typing import Any

import torch
from torch import nn

from tickle_core.models.cost import CostCounter
from tickle_core.models.graph import find_cut
from tickle_core.models.split import unwrap


def survey(network: nn.Module, example: torch.Tensor) -> dict[str, dict[str, Any]]:
    """Describe every module that is called once and returns one tensor of 2, 3 or 4 dimensions.

    Parameters
    ----------
    network
        In evaluation mode. DataParallel and torch.compile wrappers are looked through.
    example
        One preprocessed image (1, C, H, W), square: so are then the maps, which is how (C, H, W)
        is told from (H, W, C).

    Returns
    -------
    dict
        By module path, in module order, ready for JSON: `shape` (of the output for one image),
        `layout` (NCHW, NHWC, NTC or NC), `prefix` (the tokens before the patches: class,
        register), `grid` ([h, w] of the positions or None), `clean_cut`, `obstacle` (why it is
        none), `tail_share` (share of the forward pass's cost that comes after the layer's output,
        in order of execution; see `tickle_core.models.cost`).

    Raises
    ------
    TickleError
        If the network is in training mode.
    """
    network = unwrap(network)
    outputs, cost_before, total = _run(network, example)
    layouts = {path: _layout(output) for path, output in outputs.items()}
    lengths = {outputs[path][1] for path, layout in layouts.items() if layout == "NTC"}
    prefix = _prefix(network)
    layers = {}
    for path, _ in network.named_modules():
        layout = layouts.get(path)
        if layout is None:
            continue
        shape = list(outputs[path][1:])
        has_prefix = layout == "NTC" and _has_prefix(shape[0], len(prefix), lengths)
        obstacle = find_cut(network, path).obstacle
        layers[path] = {
            "shape": shape,
            "layout": layout,
            "prefix": prefix if has_prefix else [],
            "grid": _grid(layout, shape, len(prefix) if has_prefix else 0),
            "clean_cut": not obstacle,
            "obstacle": obstacle,
            "tail_share": round(1 - cost_before[path] / total, 4),
        }
    return layers


def candidates(network: nn.Module, example: torch.Tensor) -> dict[str, torch.Size]:
    """The modules that `survey` describes, in order of execution; takes one forward pass.

    Returns
    -------
    dict
        From module path to the shape of the output for one image.
    """
    outputs, _, _ = _run(unwrap(network), example)
    return {path: output for path, output in outputs.items() if _layout(output)}


def _run(
    network: nn.Module, example: torch.Tensor
) -> tuple[dict[str, torch.Size], dict[str, float], float]:
    """Shapes of the outputs of modules called once, the cost up to each, and the whole cost."""
    calls: dict[str, list[tuple[Any, float]]] = {}
    counter = CostCounter(network)

    def note(path: str, module: nn.Module, inputs: Any, output: Any) -> None:
        shape = output.shape if isinstance(output, torch.Tensor) else None
        calls.setdefault(path, []).append((shape, counter.total))

    handles = [
        module.register_forward_hook(partial(note, path))
        for path, module in network.named_modules()
        if path
    ]
    try:
        with torch.no_grad(), unfused(), counter:
            network(example)
    finally:
        for handle in handles:
            handle.remove()
    once = {path: of[0] for path, of in calls.items() if len(of) == 1 and of[0][0] is not None}
    shapes = {path: shape for path, (shape, _) in once.items() if shape[:1] == example.shape[:1]}
    return shapes, {path: cost for path, (_, cost) in once.items()}, counter.total


@contextmanager
def unfused() -> Iterator[None]:
    """Without the fused attention of torch.nn: one operation that nobody can look into."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def _layout(output: torch.Size) -> str | None:
    """Which axis is what; None if no layout fits (attention maps, windows)."""
    if len(output) == 4:
        _, a, b, c = output
        return "NCHW" if b == c else "NHWC" if a == b else None
    return {2: "NC", 3: "NTC"}.get(len(output))


def _prefix(network: nn.Module) -> list[str]:
    """The tokens that a vision transformer puts before its patches."""
    if hasattr(network, "num_prefix_tokens"):  # timm
        every = int(getattr(network, "num_prefix_tokens", 0))
        registers = int(getattr(network, "num_reg_tokens", 0))
        return ["class"] * (every - registers) + ["register"] * registers
    return ["class"] if hasattr(network, "class_token") else []  # torchvision


def _has_prefix(tokens: int, prefix: int, lengths: Collection[int]) -> bool:
    """Whether a sequence has the prefix yet: its patches fill a square, and it is not itself what
    other sequences consist of after the prefix.
    """
    patches = tokens - prefix
    return prefix > 0 and patches > 0 and _is_square(patches) and tokens + prefix not in lengths


def _grid(layout: str, shape: list[int], prefix: int) -> list[int] | None:
    if layout == "NCHW":
        return shape[1:]
    if layout == "NHWC":
        return shape[:2]
    patches = shape[0] - prefix
    if layout == "NTC" and patches > 1 and _is_square(patches):
        return [isqrt(patches)] * 2
    return None


def _is_square(count: int) -> bool:
    return isqrt(count) ** 2 == count
