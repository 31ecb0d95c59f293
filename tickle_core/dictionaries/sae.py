"""Sparse autoencoders: z = E(a), a_hat = D(z)."""

from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from tickle_core.errors import TickleError
from tickle_core.results import read_json, write_json

WEIGHTS = "weights.safetensors"
CARD = "card.json"

Variant = Literal["topk", "relu"]


class SparseAutoencoder(nn.Module):
    """One hidden layer, overcomplete and sparse.

        E(a) = S(W_enc^T (a - b_dec) + b_enc)        D(z) = W_dec^T z + b_dec

    S is ReLU, or ReLU of the k largest entries with the others set to zero (TopK; Makhzani &
    Frey 2013, arXiv:1312.5663; Gao et al. 2024, arXiv:2406.04093).

    Attributes
    ----------
    w_enc : (d, latents)
    b_enc : (latents,)
    w_dec : (latents, d)
        Rows of unit norm: the directions that the latents stand for.
    b_dec : (d,)
    """

    def __init__(self, d: int, latents: int, variant: Variant, k: int):
        super().__init__()
        self.variant, self.k = variant, k
        self.w_enc = nn.Parameter(torch.zeros(d, latents))
        self.b_enc = nn.Parameter(torch.zeros(latents))
        self.w_dec = nn.Parameter(torch.zeros(latents, d))
        self.b_dec = nn.Parameter(torch.zeros(d))

    def encode(self, acts: torch.Tensor) -> torch.Tensor:
        """Activations (..., d) -> latents (..., latents), non-negative."""
        pre = torch.addmm(
            self.b_enc - self.b_dec @ self.w_enc, acts.reshape(-1, acts.shape[-1]), self.w_enc
        )
        if self.variant == "topk":
            values, indices = pre.topk(self.k, sorted=False)
            latents = torch.zeros_like(pre).scatter(1, indices, values.relu())
        else:
            latents = pre.relu()
        return latents.view(*acts.shape[:-1], -1)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (..., latents) -> activations (..., d)."""
        return latents @ self.w_dec + self.b_dec

    @torch.no_grad()
    def normalize_decoder(self) -> None:
        """Bring the decoder's rows back to unit norm."""
        self.w_dec /= self.w_dec.norm(dim=1, keepdim=True).clamp_min(1e-12)

    @torch.no_grad()
    def remove_parallel_gradient(self) -> None:
        """Drop the part of the decoder's gradient that would only change the rows' norms."""
        along = (self.w_dec.grad * self.w_dec).sum(1, keepdim=True)
        self.w_dec.grad -= along * self.w_dec

    @torch.no_grad()
    def fold(self, mean: torch.Tensor, scale: torch.Tensor) -> None:
        """Rewrite weights trained on (a - mean) / scale so that they act on raw activations.

        Latents come out multiplied by `scale`, the decoder's rows keep their unit norm, and
        which latents are active does not change.
        """
        self.b_dec.mul_(scale).add_(mean)
        self.b_enc.mul_(scale)


def save(sae: SparseAutoencoder, directory: Path) -> None:
    """Write weights and card into an existing directory."""
    state = {name: t.detach().cpu().contiguous() for name, t in sae.state_dict().items()}
    save_file(state, directory / WEIGHTS)
    latents, d = sae.w_dec.shape
    card: dict[str, Any] = {"d": d, "latents": latents, "variant": sae.variant, "k": sae.k}
    write_json(directory / CARD, card)


def load(directory: Path | str) -> SparseAutoencoder:
    """Read a saved SAE; it acts on raw activations of its layer.

    Raises
    ------
    TickleError
        If weights or card are missing, damaged, or do not belong together.
    """
    directory = Path(directory)
    try:
        sae = SparseAutoencoder(**read_json(directory / CARD))
        sae.load_state_dict(load_file(directory / WEIGHTS))
    except (OSError, ValueError, TypeError, SafetensorError, RuntimeError) as error:
        raise TickleError(f"{directory} holds no readable SAE ({error})") from None
    return sae.eval()
