"""What a forward pass costs, counted and not timed, so that it is the same on every run.

An operation's cost is its arithmetic plus its traffic with memory, in units of one floating-point
operation: a roofline (Williams et al. 2009, doi:10.1145/1498765.1498785) whose two parts add up,
because a network's operations hardly overlap them. Dense convolutions are then bound by
arithmetic; depthwise ones, batch norm, activations, pooling and padding by memory, as on the
machine. A tensor that is written anew counts twice, as its memory is fetched before it is
overwritten; weights count once for reading and once for repacking, and that once per batch.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

# Operations in the time of one byte: a server core with AVX-512 sustains some 170 GFLOP/s in
# float32 convolutions and 12 GB/s in batch norm. `benchmarks.tail` holds this to the clock.
FLOPS_PER_BYTE = 14
BATCH = 16  # images that share the weights' traffic

aten = torch.ops.aten
FLOPS: dict[Any, Callable[..., int]] = flop_registry | {
    # Missing in torch's own table.
    aten._scaled_dot_product_flash_attention_for_cpu: flop_registry[
        aten._scaled_dot_product_flash_attention
    ],
}


class CostCounter(TorchDispatchMode):
    """While active, adds up the cost of every operation that runs.

    Attributes
    ----------
    flops
        Floating-point operations of convolutions, matrix products and attention, a multiply-add
        being two.
    moved
        Bytes of activations read, written and fetched to be written.
    weights
        Bytes of weights used.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.flops = 0
        self.moved = 0
        self.weights = 0
        self._weights = _storages([*network.parameters(), *network.buffers()])

    @property
    def total(self) -> float:
        """Cost so far of one image, if that is what runs."""
        return self.flops + FLOPS_PER_BYTE * (self.moved + 2 * self.weights / BATCH)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run an operation and count it."""
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        if func.overloadpacket in FLOPS:
            self.flops += FLOPS[func.overloadpacket](*args, **kwargs, out_val=output)
        read, written = _tensors((args, kwargs)), _tensors(output)
        fresh = [t for t in written if not _storages([t]) & _storages(read)]
        if not (written and not fresh and not func._schema.is_mutable):  # that would be a view
            weights = [t for t in read if _storages([t]) & self._weights]
            self.weights += _bytes(weights)
            self.moved += _bytes(read) - _bytes(weights) + _bytes(written) + _bytes(fresh)
        return output


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _storages(tensors: list[torch.Tensor]) -> set[int]:
    # Empty tensors share the null pointer and no memory.
    return {t.untyped_storage().data_ptr() for t in tensors if t.numel()}


def _bytes(tensors: list[torch.Tensor]) -> int:
    return sum(t.nbytes for t in tensors)
