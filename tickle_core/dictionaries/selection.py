"""Which latents are active: the one dense product of an SAE, a block of tokens at a time.

The pre-activations of a block (some MiB) are made, searched while they are in the cache, and
overwritten by the next block's, so they never stand in memory for a whole batch.
"""

from collections.abc import Callable, Iterator

import torch

from tickle_core.dictionaries.sparse import Pattern
from tickle_core.params.sae import Precision

BLOCK_BYTES = 8 * 2**20
# Candidates for the largest of a batch are those above this share of the last batch's threshold.
CAUTION = 0.8

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def pre_activations(
    acts: torch.Tensor, w_enc: torch.Tensor, b_enc: torch.Tensor, precision: Precision
) -> Iterator[tuple[int, torch.Tensor]]:
    """Activations (n, d) times w_enc (m, d) transposed, plus b_enc (m,), block by block.

    Yields
    ------
    tuple
        The first row of a block, and the block (b, m), which is overwritten by the next one.
    """
    dtype = DTYPES[precision]
    acts, w_enc, b_enc = (tensor.detach().to(dtype) for tensor in (acts, w_enc, b_enc))
    size = max(1, BLOCK_BYTES // (len(w_enc) * dtype.itemsize))
    buffer = torch.empty(min(size, len(acts)), len(w_enc), dtype=dtype, device=acts.device)
    for start in range(0, max(1, len(acts)), size):
        part = acts[start : start + size]
        yield start, torch.addmm(b_enc, part, w_enc.T, out=buffer[: len(part)])


def top_k(pre: torch.Tensor, k: int) -> torch.Tensor:
    """Columns of the k largest entries of each row of (n, m), in no particular order: (n, k).

    The columns are dealt into groups, and the k groups with the largest maxima are searched:
    an entry that is among the k largest of its row lies in one of them, or else k groups would
    hold a larger one each. That is several times faster than searching all of a row.
    """
    n, m = pre.shape
    group = _group_size(m, k)
    if group == 1:
        return pre.topk(k, sorted=False).indices
    groups = m // group
    # Group g holds the columns g, g + groups, g + 2 groups, ...
    best = pre.view(n, group, groups).amax(1).topk(k, sorted=False).indices
    members = torch.arange(0, m, groups, device=pre.device)
    candidates = (best.unsqueeze(1) + members[:, None]).flatten(1)
    places = pre.gather(1, candidates).topk(k, sorted=False).indices
    return candidates.gather(1, places)


def top_k_pattern(blocks: Iterator[tuple[int, torch.Tensor]], k: int) -> Pattern:
    """The k largest entries of every row."""
    width, columns = 0, []
    for _, pre in blocks:
        width = pre.shape[1]
        columns.append(top_k(pre, k))
    chosen = torch.cat(columns)
    offsets = torch.arange(0, chosen.numel() + 1, k, device=chosen.device)
    return Pattern(offsets, chosen.flatten(), width)


def pattern_above(
    blocks: Iterator[tuple[int, torch.Tensor]], threshold: torch.Tensor
) -> tuple[Pattern, torch.Tensor]:
    """The entries above a threshold, (m,) or (1,), and their values in the blocks' precision."""
    height, width, rows, columns, values = 0, 0, [], [], []
    for start, pre in blocks:
        height, width = start + len(pre), pre.shape[1]
        row, column = (pre > threshold).nonzero(as_tuple=True)
        rows.append(row + start)
        columns.append(column)
        values.append(pre[row, column])
    pattern = Pattern.of_rows(torch.cat(rows), torch.cat(columns), height, width)
    return pattern, torch.cat(values)


def largest_pattern(
    blocks: Callable[[], Iterator[tuple[int, torch.Tensor]]], count: int, guess: float
) -> tuple[Pattern, float]:
    """The `count` largest positive entries of all rows together, and the smallest of them.

    Parameters
    ----------
    blocks
        Makes the blocks; called again in the rare case that the guess was too high.
    guess
        What the smallest one may be, for example the last batch's. It decides how long the search
        takes and not what is found.

    Returns
    -------
    tuple
        The pattern, and the smallest value in it; entries that equal it are all in. Fewer than
        `count` entries if no more are positive; the value is then 0.
    """
    for floor in dict.fromkeys((CAUTION * guess, 0.0)):
        pattern, values = pattern_above(blocks(), torch.tensor(floor))
        if len(values) >= count:
            break
    if len(values) < count:
        return pattern, 0.0
    smallest = values.float().kthvalue(len(values) - count + 1).values
    kept = values >= smallest
    pattern = Pattern.of_rows(
        pattern.rows[kept], pattern.columns[kept], pattern.height, pattern.width
    )
    return pattern, float(smallest)


def _group_size(m: int, k: int) -> int:
    """The power of two up to sqrt(m / k) that divides m: both searches are then about as long."""
    size = 1
    while m % (2 * size) == 0 and 4 * size * size * k <= m:
        size *= 2
    return size
