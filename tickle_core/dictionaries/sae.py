"""Sparse autoencoders: z = E(a), a_hat = D(z)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import safetensors.torch
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from tickle_core.dictionaries import selection
from tickle_core.dictionaries.sparse import Pattern, sampled_product, sparse_product
from tickle_core.errors import TickleError
from tickle_core.params.sae import Precision, Variant
from tickle_core.results import read_json, write_json

WEIGHTS = "weights.safetensors"
CARD = "card.json"


@dataclass(frozen=True)
class Codes:
    """Latents of n tokens, as the entries that may be active.

    Attributes
    ----------
    pattern
        Which (token, latent) they are; entries whose value is 0 are not active.
    values
        (entries,), none negative.
    """

    pattern: Pattern
    values: torch.Tensor

    @property
    def latents(self) -> torch.Tensor:
        """The latent of each active entry."""
        return self.pattern.columns[self.values > 0]

    def strength(self) -> torch.Tensor:
        """The sum of each latent over the tokens, (latents,)."""
        sums = self.values.new_zeros(self.pattern.width)
        return sums.index_add_(0, self.pattern.columns, self.values.detach())

    def dense(self) -> torch.Tensor:
        """The latents as a matrix (n, latents)."""
        matrix = self.values.new_zeros(self.pattern.height, self.pattern.width)
        return matrix.index_put((self.pattern.rows, self.pattern.columns), self.values)


class SparseAutoencoder(nn.Module):
    """One hidden layer, overcomplete and sparse.

        E(a) = S(W_enc a + b_enc)        D(z) = W_dec^T z + b_dec

    S keeps of the entries of each token the k largest, if they are positive (variant topk; Gao et
    al. 2024, arXiv:2406.04093), or else those above a threshold: 0 for relu, one per latent for
    jumprelu (Rajamanoharan et al. 2024, arXiv:2407.14435), one for all for batchtopk (Bussmann et
    al. 2024, arXiv:2412.06410) and matryoshka (Bussmann et al. 2025, arXiv:2503.17547), whose
    training keeps the k largest per token on average. Nothing is taken off `a` first: a bias
    there is one of b_enc.

    Attributes
    ----------
    w_enc : (latents, d)
    b_enc : (latents,)
    w_dec : (latents, d)
        Rows of unit norm: the directions that the latents stand for.
    b_dec : (d,)
    threshold : (latents,)
        Unused by topk.
    """

    def __init__(self, d: int, latents: int, variant: Variant, k: int):
        super().__init__()
        self.variant, self.k = variant, k
        self.w_enc = nn.Parameter(torch.zeros(latents, d))
        self.b_enc = nn.Parameter(torch.zeros(latents))
        self.w_dec = nn.Parameter(torch.zeros(latents, d))
        self.b_dec = nn.Parameter(torch.zeros(d))
        learnt = variant == "jumprelu"
        self.threshold = nn.Parameter(torch.zeros(latents), requires_grad=learnt)

    @torch.no_grad()
    def codes(self, acts: torch.Tensor, precision: Precision = "float32") -> Codes:
        """Activations (n, d) -> their latents.

        Parameters
        ----------
        precision
            Of the product that decides which latents are active; values are float32 in any case.
        """
        blocks = selection.pre_activations(acts, self.w_enc, self.b_enc, precision)
        if self.variant == "topk":
            pattern = selection.top_k_pattern(blocks, self.k)
        else:
            pattern, _ = selection.pattern_above(blocks, self.threshold)
        return Codes(pattern, self.pre_activations_at(acts, pattern).relu())

    def pre_activations_at(self, acts: torch.Tensor, pattern: Pattern) -> torch.Tensor:
        """Entries of W_enc a + b_enc for activations (n, d), differentiable: (entries,)."""
        return sampled_product(acts, self.w_enc, pattern) + self.b_enc.index_select(
            0, pattern.columns
        )

    def encode(self, acts: torch.Tensor) -> torch.Tensor:
        """Activations (..., d) -> latents (..., latents), none negative."""
        latents = self.codes(acts.reshape(-1, acts.shape[-1])).dense()
        return latents.view(*acts.shape[:-1], len(self.b_enc))

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (..., latents) -> activations (..., d)."""
        return latents @ self.w_dec + self.b_dec

    def decode_codes(self, codes: Codes) -> torch.Tensor:
        """The same from sparse latents of n tokens: (n, d)."""
        return sparse_product(codes.values, self.w_dec, codes.pattern) + self.b_dec

    @torch.no_grad()
    def normalize_decoder(self) -> None:
        """Bring the decoder's rows back to unit norm."""
        self.w_dec.div_(self.w_dec.norm(dim=1, keepdim=True).clamp_min(1e-12))

    @torch.no_grad()
    def remove_parallel_gradient(self) -> None:
        """Drop the part of the decoder's gradient that would only change the rows' norms."""
        gradient = self.w_dec.grad
        assert gradient is not None, "there is no gradient before a backward pass"
        along = (gradient * self.w_dec).sum(1, keepdim=True)
        gradient.addcmul_(along, self.w_dec, value=-1)

    @torch.no_grad()
    def fold(self, mean: torch.Tensor, scale: torch.Tensor) -> None:
        """Rewrite weights trained on (a - mean) / scale so that they act on raw activations.

        Latents come out multiplied by `scale`, the decoder's rows keep their unit norm, and
        which latents are active does not change.
        """
        self.b_enc.mul_(scale).sub_((self.w_enc.double() @ mean.double()).float())
        self.threshold.mul_(scale)
        self.b_dec.mul_(scale).add_(mean)


def save(sae: SparseAutoencoder, directory: Path) -> None:
    """Write weights and card into an existing directory."""
    state = {name: t.detach().cpu().contiguous() for name, t in sae.state_dict().items()}
    (directory / WEIGHTS).write_bytes(safetensors.torch.save(state))
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
        card = read_json(directory / CARD)
        if card["variant"] not in get_args(Variant):
            raise ValueError(f"unknown variant {card['variant']!r}")
        sae = SparseAutoencoder(**card)
        sae.load_state_dict(load_file(directory / WEIGHTS))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())  # torch lists every weight in a line of its own
        raise TickleError(f"{directory} holds no readable SAE ({reason})") from None
    return sae.eval()
