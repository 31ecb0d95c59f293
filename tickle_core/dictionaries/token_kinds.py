"""What a layer's tokens are like: how unequal in size, and how an SAE does on each kind of them."""

from typing import Any

import numpy as np
import torch

from tickle_core import statistics
from tickle_core.dictionaries.per_image import PerImage, around_their_mean
from tickle_core.dictionaries.sae import Codes
from tickle_core.dictionaries.stream import Sample

PATCH = "patch"
LARGEST = 0.01  # of train tokens, that are told to be large
GAUSSIAN_DRAWS = 5
GAUSSIAN_TOKENS = 10_000


class TokenKinds:
    """The class token, the registers and the patches apart, while blocks of images pass by.

    FVU is that of a kind's tokens around their own mean. Where a kind stands far from the others,
    as class tokens do, the variance around the mean of all would be mostly that distance.

    Parameters
    ----------
    prefix
        What the first positions are that are no patches.
    positions
        How many positions there are.
    mean
        (d,), of all tokens, about.
    latents
        Of the SAE.
    """

    def __init__(self, prefix: list[str], positions: int, mean: torch.Tensor, latents: int):
        names = [*prefix, *[PATCH] * (positions - len(prefix))]
        self._kinds = list(dict.fromkeys(names))
        numbers = [self._kinds.index(name) for name in names]
        self._kind_of = torch.tensor(numbers, device=mean.device)
        self._mean, self._images = mean, 0
        self._fired = torch.zeros(len(self._kinds), latents, dtype=torch.float64).to(mean.device)
        self._sums = PerImage()

    def add(self, tokens: torch.Tensor, rebuilt: torch.Tensor, codes: Codes) -> None:
        """Take the tokens (b, positions, d) of some images, their reconstruction and latents."""
        images, positions, _ = tokens.shape
        self._images += images
        active = codes.values > 0
        token, latent = codes.pattern.rows[active], codes.latents
        kind_of_entry = self._kind_of[token % positions]
        for number, kind in enumerate(self._kinds):
            places = self._kind_of == number
            around = (tokens[:, places] - self._mean).double()
            error = (rebuilt[:, places] - tokens[:, places]).double()
            mine = kind_of_entry == number
            self._sums.add(
                kind,
                error=error.square().sum((1, 2)),
                square=around.square().sum((1, 2)),
                offset=around.sum(1),
                active=torch.bincount(token[mine] // positions, minlength=images),
            )
            self._fired[number].index_add_(0, latent[mine], mine[mine].double())

    def metrics(self, seed: int) -> dict[str, Any]:
        """By kind: how many positions it has, the share of the variance around the mean of all that
        its tokens hold, FVU, L0, and the share of latents that ever fire.
        """
        columns, made = self._sums.columns(), {}
        of_all = np.sum([columns[kind, "square"] for kind in self._kinds], axis=0)
        for number, kind in enumerate(self._kinds):
            error, square, offset, active = (
                columns[kind, name] for name in ("error", "square", "offset", "active")
            )
            count = int((self._kind_of == number).sum())
            below = around_their_mean(square, offset, count)
            alive = int((self._fired[number] > 0).sum())
            made[kind] = {
                "positions": count,
                "variance_share": statistics.ratio_estimate(square, of_all, seed),
                "fvu": statistics.ratio_estimate(error, below, seed),
                "l0": statistics.ratio_estimate(active, np.full(len(active), count), seed),
                "firing_share": statistics.proportion(alive, self._fired.shape[1]),
            }
        return made

    def densities(self) -> dict[str, np.ndarray]:
        """By `density_<kind>`: the share of its tokens on which each latent fires, (latents,)."""
        counts = torch.bincount(self._kind_of) * self._images
        shares = (self._fired / counts[:, None]).cpu().numpy()
        return {f"density_{kind}": each for kind, each in zip(self._kinds, shares, strict=True)}


class TokenSizes:
    """How much of the variance a few large tokens hold, while blocks of images pass by.

    Large is what lies farther from the mean than all but `LARGEST` of the train tokens. Where they
    hold most of the variance, FVU says how well those few are described.
    """

    def __init__(self, sample: Sample):
        sizes = (sample.tokens - sample.mean).square().sum(1)
        self._sample, self._least = sample, sizes.quantile(1 - LARGEST)
        self._sums = PerImage()

    def add(self, tokens: torch.Tensor) -> None:
        """Take the tokens (b, positions, d) of some images."""
        sizes = (tokens - self._sample.mean).square().sum(2)
        large = torch.where(sizes > self._least, sizes, 0.0)
        self._sums.add("", all=sizes.sum(1), large=large.sum(1))

    def share(self, seed: int) -> dict[str, Any]:
        """Of the variance, what large tokens hold; its null is a Gaussian of this covariance."""
        columns = self._sums.columns()
        found = statistics.ratio_estimate(columns["", "large"], columns["", "all"], seed)
        spectrum = torch.linalg.eigvalsh(self._sample.covariance).clamp_min(0).cpu().numpy()
        rng, draws = np.random.default_rng(seed), []
        for _ in range(GAUSSIAN_DRAWS):
            sizes = np.sort(rng.standard_normal((GAUSSIAN_TOKENS, len(spectrum))) ** 2 @ spectrum)
            draws.append(sizes[-round(LARGEST * GAUSSIAN_TOKENS) :].sum() / sizes.sum())
        return found | {"null": statistics.drawn(draws)}
