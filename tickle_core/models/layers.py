"""The layers of a network: what each puts out, whether it is a clean cut, what follows it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from tickle_core.models.cost import CostCounter
from tickle_core.models.graph import find_cut
from tickle_core.models.hooks import hooked
from tickle_core.models.sequences import Sequences
from tickle_core.models.split import unwrap

ROUNDING = 1e-3  # of a sum of attention


def survey(
    network: nn.Module, example: torch.Tensor, prefix: Sequence[str] | None = None
) -> dict[str, dict[str, Any]]:
    """Describe every module whose output can be stored.

    Parameters
    ----------
    network
        In evaluation mode. DataParallel and torch.compile wrappers are looked through.
    example
        One preprocessed image (1, C, H, W), square: so are then the maps, which is how (C, H, W)
        is told from (H, W, C).
    prefix
        What the tokens before the patches are: class, register. None: as
        `tickle_core.models.sequences` finds it.

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
        If the network is in training mode, or has no tokens before its patches where `prefix`
        names some.
    """
    network = unwrap(network)
    seen = observe(network, example, prefix)
    layers = {}
    for path, _ in network.named_modules():
        if path not in seen.candidates:
            continue
        shape = list(seen.candidates[path][1:])
        layout = _layout(seen.candidates[path])
        before, grid = seen.sequences.place(shape[0]) if layout == "NTC" else ([], None)
        obstacle = find_cut(network, path).obstacle
        layers[path] = {
            "shape": shape,
            "layout": layout,
            "prefix": before,
            "grid": shape[1:] if layout == "NCHW" else shape[:2] if layout == "NHWC" else grid,
            "clean_cut": not obstacle,
            "obstacle": obstacle,
            "tail_share": round(1 - seen.cost_before[path] / seen.cost, 4),
        }
    return layers


@dataclass(frozen=True)
class Observed:
    """What one forward pass shows.

    Attributes
    ----------
    candidates
        Of the modules whose output can be stored, in order of execution: its shape for one image.
    why_not
        Of all others: why it cannot, in words.
    sequences
        What is known of lists of tokens.
    cost_before, cost
        What the forward pass cost up to each module's output, and in all.
    """

    candidates: dict[str, torch.Size]
    why_not: dict[str, str]
    sequences: Sequences
    cost_before: dict[str, float]
    cost: float


def observe(
    network: nn.Module, example: torch.Tensor, prefix: Sequence[str] | None = None
) -> Observed:
    """See which modules are called once and give one tensor of which each axis is known.

    Parameters are those of `survey`.
    """
    network = unwrap(network)
    calls, cost = _run(network, example)
    why_not = {}
    for path, _ in network.named_modules():
        if path and (reason := _why_no_tensor(calls.get(path, []))):
            why_not[path] = reason
    outputs = {path: of[0].shape for path, of in calls.items() if path not in why_not}
    attention, rows = _run_two(network, example, outputs)
    for path in [path for path in outputs if rows.get(path) != (1, 2)]:
        found = list(outputs.pop(path))
        why_not[path] = f"its output {found} does not have one row per image"
    others = {path: shape for path, shape in outputs.items() if path not in attention}
    sequences = Sequences(network, example, others, prefix)
    met = False  # a list of tokens: attention over it comes later
    for path, shape in outputs.items():
        met |= len(shape) == 3 and shape[1] in sequences.lengths
        if reason := _why_no_layer(shape, path in attention, sequences, met):
            why_not[path] = reason
    candidates = {path: shape for path, shape in outputs.items() if path not in why_not}
    return Observed(
        candidates, why_not, sequences, {path: calls[path][0].cost for path in candidates}, cost
    )


@dataclass(frozen=True)
class _Call:
    """One call of a module: what it returned, and what the pass had cost by then."""

    kind: str
    shape: torch.Size
    cost: float


def _run(network: nn.Module, example: torch.Tensor) -> tuple[dict[str, list[_Call]], float]:
    """Calls by module path, in order of execution, and the cost of the whole pass."""
    calls: dict[str, list[_Call]] = {}
    counter = CostCounter(network)

    def note(path: str, module: nn.Module, inputs: Any, output: Any) -> None:
        shape = output.shape if isinstance(output, torch.Tensor) else torch.Size()
        calls.setdefault(path, []).append(_Call(type(output).__name__, shape, counter.total))

    paths = [path for path, _ in network.named_modules() if path]
    with hooked(network, paths, note), torch.no_grad(), unfused(), counter:
        network(example)
    return calls, counter.total


@contextmanager
def unfused() -> Iterator[None]:
    """Without the fused attention of torch.nn: one operation that nobody can look into."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def _run_two(
    network: nn.Module, example: torch.Tensor, outputs: dict[str, torch.Size]
) -> tuple[set[str], dict[str, tuple[int, int]]]:
    """What a pass of two images shows besides: modules that give attention, (N, heads, T, T) whose
    rows are distributions; and how many rows each output has of one image, and of two.
    """
    attention, rows = set(), {}

    def note(path: str, module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        rows[path] = (*outputs[path][:1], *output.shape[:1])
        if output.ndim == 4 and output.shape[2] == output.shape[3]:
            away = (output.sum(3) - 1).abs().max()
            if bool((output >= 0).all()) and away < ROUNDING:
                attention.add(path)

    with hooked(network, outputs, note), torch.no_grad(), unfused():
        network(example.repeat(2, 1, 1, 1))
    return attention, rows


def _why_no_tensor(calls: list[_Call]) -> str:
    """Why what a module returns is not one tensor; "" if it is."""
    if not calls:
        return "it is never called in a forward pass"
    if len(calls) > 1:
        return f"it is called {len(calls)} times in a forward pass"
    if calls[0].kind not in ("Tensor", "Parameter"):
        return f"it returns a {calls[0].kind}, not one tensor"
    return ""


def _why_no_layer(shape: torch.Size, is_attention: bool, sequences: Sequences, met: bool) -> str:
    """Why the axes of an output are none of an activation's; "" if they are."""
    layout = _layout(shape)
    if layout is None:
        return f"its output {list(shape)} is no vector, no list of tokens and no square map"
    over_tokens = met and {"NCHW": shape[-1], "NHWC": shape[1]}.get(layout) in sequences.lengths
    if is_attention or over_tokens:
        return f"it gives attention, from {shape[2]} tokens to {shape[2]}: no feature map"
    if layout == "NTC" and sequences.mixes(shape):
        return f"it mixes tokens: the {shape[1]} rows of its output are channels"
    return ""


def _layout(output: torch.Size) -> str | None:
    """Which axis is what; None if no layout fits."""
    if len(output) == 4:
        _, a, b, c = output
        return "NCHW" if b == c else "NHWC" if a == b else None
    return {2: "NC", 3: "NTC"}.get(len(output))
