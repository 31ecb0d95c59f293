"""Products with matrices of which only a few entries count.

A batch of latents is an (n, m) matrix with some k of m entries per row. Everything that training
needs of it are two products, each of which is the other's derivative:

    sampled_product    c_ij = a_i . b_j at the entries (i, j) alone
    sparse_product     c_i  = sum_j v_ij b_j over the entries of row i

So neither latents nor their gradients ever exist as dense matrices, and the result is that of the
dense computation up to rounding: a latent that is not active has no gradient.
"""

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch.autograd import Function
from torch.nn import functional as F


@dataclass(frozen=True)
class Pattern:
    """Which entries of an (n, m) matrix count, row by row.

    Attributes
    ----------
    offsets
        (n + 1,) int64; the entries of row i are offsets[i] to offsets[i + 1] - 1.
    columns
        (entries,) int64.
    width
        m.
    """

    offsets: torch.Tensor
    columns: torch.Tensor
    width: int

    @property
    def height(self) -> int:
        """The number of rows, n."""
        return len(self.offsets) - 1

    @cached_property
    def rows(self) -> torch.Tensor:
        """The row of each entry, (entries,)."""
        counts = self.offsets.diff()
        return torch.arange(self.height, device=counts.device).repeat_interleave(counts)

    @cached_property
    def transposed(self) -> tuple["Pattern", torch.Tensor]:
        """The pattern of the transpose, and where each of its entries stands in this one."""
        # Stable, so that sums over a column run in the order of the rows on every machine; of
        # 32 bits, which sort about twice as fast.
        _, order = self.columns.int().sort(stable=True)
        counts = torch.bincount(self.columns, minlength=self.width)
        return Pattern(_offsets(counts), self.rows[order], self.height), order

    @classmethod
    def of_rows(
        cls, rows: torch.Tensor, columns: torch.Tensor, height: int, width: int
    ) -> "Pattern":
        """The pattern of entries that are given in the order of their rows."""
        return cls(_offsets(torch.bincount(rows, minlength=height)), columns, width)


def sampled_product(a: torch.Tensor, b: torch.Tensor, pattern: Pattern) -> torch.Tensor:
    """Scalar products of the rows of `a` (n, d) and `b` (m, d) at a pattern's entries, (entries,).

    Differentiable in both. On devices that have no such kernel (MPS), torch says so.
    """
    return _SampledProduct.apply(a, b, pattern)


def sparse_product(values: torch.Tensor, b: torch.Tensor, pattern: Pattern) -> torch.Tensor:
    """The product (n, d) of a sparse matrix, by its entries' values, and `b` (m, d).

    Differentiable in both.
    """
    return _SparseProduct.apply(values, b, pattern)


class _SampledProduct(Function):
    @staticmethod
    def forward(ctx: Any, a: torch.Tensor, b: torch.Tensor, pattern: Pattern) -> torch.Tensor:
        ctx.save_for_backward(a, b)
        ctx.pattern = pattern
        return _sample(a, b, pattern)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        a, b = ctx.saved_tensors
        grad_a = _bag(grad, b, ctx.pattern) if ctx.needs_input_grad[0] else None
        grad_b = _bag_of_columns(grad, a, ctx.pattern) if ctx.needs_input_grad[1] else None
        return grad_a, grad_b, None


class _SparseProduct(Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, b: torch.Tensor, pattern: Pattern) -> torch.Tensor:
        ctx.save_for_backward(values, b)
        ctx.pattern = pattern
        return _bag(values, b, pattern)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        values, b = ctx.saved_tensors
        grad = grad.contiguous()
        grad_values = _sample(grad, b, ctx.pattern) if ctx.needs_input_grad[0] else None
        grad_b = _bag_of_columns(values, grad, ctx.pattern) if ctx.needs_input_grad[1] else None
        return grad_values, grad_b, None


def _sample(a: torch.Tensor, b: torch.Tensor, pattern: Pattern) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        entries = torch.sparse_csr_tensor(
            pattern.offsets,
            pattern.columns,
            torch.zeros(len(pattern.columns), dtype=a.dtype, device=a.device),
            (pattern.height, pattern.width),
            check_invariants=False,
        )
    # In place: otherwise the pattern would be copied with the result.
    return torch.sparse.sampled_addmm(entries, a, b.T, beta=0.0, out=entries).values()


def _bag(values: torch.Tensor, b: torch.Tensor, pattern: Pattern) -> torch.Tensor:
    return F.embedding_bag(
        pattern.columns,
        b.detach(),  # else it would prepare for a backward pass of its own
        pattern.offsets,
        mode="sum",
        per_sample_weights=values.detach(),
        include_last_offset=True,
    )


def _bag_of_columns(values: torch.Tensor, a: torch.Tensor, pattern: Pattern) -> torch.Tensor:
    """Transpose of the sparse matrix times `a` (n, d): (m, d)."""
    transposed, order = pattern.transposed
    return _bag(values[order], a, transposed)


def _offsets(counts: torch.Tensor) -> torch.Tensor:
    return F.pad(counts.cumsum(0), (1, 0))
