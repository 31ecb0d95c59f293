"""How far a perturbation travels into a layer, and how much of it the SAE explains."""

from typing import Any

import numpy as np
import torch

from tickle_core import statistics
from tickle_core.attacks.controls import KINDS
from tickle_core.delta.reading import Deltas
from tickle_core.dictionaries.sae import SparseAutoencoder


@torch.no_grad()
def travel(deltas: Deltas, sae: SparseAutoencoder, seed: int) -> dict[str, Any]:
    """Relative norms and unexplained shares, with noise of the same size as null.

    With da = a' - a and dz = E(a') - E(a), da = D dz + residual.

    Returns
    -------
    dict
        `distance`: sum of ||da|| / sum of ||a||, its null that of noise, `stranger` that of another
        image's perturbation; `beyond`: ||da|| in parts of noise's; `unexplained`: sum of
        ||residual||^2 / sum of ||da||^2, its null that of noise, `clean` the same of clean
        activations around their mean (FVU).
    """
    sums: dict[str, list[torch.Tensor]] = {}

    def keep(name: str, values: torch.Tensor) -> None:
        sums.setdefault(name, []).append(values.double().square().sum((1, 2)).cpu())

    total = torch.stack(
        [batch.tokens["clean"].double().sum((0, 1)) for batch in deltas.batches("clean")]
    )
    mean = (total.sum(0) / (len(deltas) * deltas.positions)).float()
    for batch in deltas.batches("clean", *KINDS):
        clean = batch.tokens["clean"]
        code = sae.encode(clean)
        keep("clean", clean)
        keep("around", clean - mean)
        keep("error", clean - sae.decode(code))
        for kind in KINDS:
            change = batch.tokens[kind] - clean
            keep(kind, change)
            if kind != "stranger":
                found = (sae.encode(batch.tokens[kind]) - code) @ sae.w_dec
                keep(f"{kind} residual", change - found)
    squares = {name: torch.cat(each).numpy() for name, each in sums.items()}
    norms = {name: np.sqrt(each) for name, each in squares.items()}

    def norm(kind: str, than: str) -> dict[str, Any]:
        return statistics.ratio_estimate(norms[kind], norms[than], seed)

    def left(kind: str) -> dict[str, Any]:
        return statistics.ratio_estimate(squares[f"{kind} residual"], squares[kind], seed)

    return {
        "distance": norm("adversarial", "clean")
        | {"null": norm("noise", "clean"), "stranger": norm("stranger", "clean")},
        "beyond": norm("adversarial", "noise"),
        "unexplained": left("adversarial")
        | {
            "null": left("noise"),
            "clean": statistics.ratio_estimate(squares["error"], squares["around"], seed),
        },
    }
