"""Which latents carry a perturbation: single ones, chosen on some images and judged on others."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch

from tickle_core import statistics
from tickle_core.delta.contributions import Contributions, Families, difference_of
from tickle_core.delta.reading import Deltas
from tickle_core.dictionaries.latents import strongest
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.progress import progress

STRONGEST = 5  # latents of an image that count as its own hijacked ones
PAIR_IMAGES = 3  # that two classes must have, to be told apart
PAIR_LATENTS = 3
PAIR_COLUMNS = ["own", "became", "images", "rank", "latent", "contribution"]
SWITCHES = ("woken", "silenced", "woken_noise", "silenced_noise")
LATENT_COLUMNS = [
    *("latent", "chosen", "value", "low", "high", "noise"),
    *("exact", "exact_low", "exact_high", "frequency", *SWITCHES),
]


@dataclass(frozen=True)
class Peaks:
    """Of each image and latent, the maximum over positions: (n, latents) by kind."""

    of: dict[str, np.ndarray]

    def active(self, kind: str) -> np.ndarray:
        """Whether a latent is active anywhere in the image, (n, latents) bool."""
        return self.of[kind] > 0

    def woken(self, kind: str) -> np.ndarray:
        """Silent on the clean image, and on the other loud, (n, latents) bool.

        Loud is above the median of what the latent reaches on clean images where it is active.
        """
        return ~self.active("clean") & (self.of[kind] > self._usual)

    def silenced(self, kind: str) -> np.ndarray:
        """Loud on the clean image, and on the other silent, (n, latents) bool."""
        return (self.of["clean"] > self._usual) & ~self.active(kind)

    @cached_property
    def _usual(self) -> np.ndarray:
        """That median, (latents,); 0 for a latent that is active on no clean image."""
        active = self.active("clean")
        values, seen = np.where(active, self.of["clean"], np.nan), active.any(0)
        usual = np.zeros(values.shape[1])
        usual[seen] = np.nanmedian(values[:, seen], axis=0)
        return usual


@torch.no_grad()
def peaks(deltas: Deltas, sae: SparseAutoencoder) -> Peaks:
    """Of clean, adversarial and noisy images."""
    kinds = ("clean", "adversarial", "noise")
    found: dict[str, list[np.ndarray]] = {kind: [] for kind in kinds}
    for batch in deltas.batches(*kinds):
        for kind in kinds:
            codes = sae.codes(batch.tokens[kind].flatten(0, 1))
            found[kind].append(strongest(codes, len(batch.ids))[0].cpu().numpy())
    return Peaks({kind: np.concatenate(each) for kind, each in found.items()})


def ranked(contributions: np.ndarray) -> np.ndarray:
    """Latents in the order of their mean contribution over images (n, latents)."""
    return np.argsort(-contributions.mean(0), kind="stable")


@torch.no_grad()
def exact(deltas: Deltas, families: Families, latents: np.ndarray) -> np.ndarray:
    """By how much LD falls if one latent gets its clean value back, (n, latents) float64."""
    found = []
    for batch in progress(deltas.batches("clean", "adversarial"), "single latents", "batch"):
        changes, count = families.changes(batch)["latents"], families.sizes["latents"]
        before = difference_of(deltas, batch, batch.tokens["adversarial"])
        falls = []
        for latent in latents.tolist():
            one = torch.zeros(1, count, dtype=torch.bool, device=before.device)
            one[0, latent] = True
            falls.append(before - difference_of(deltas, batch, changes.patched(one)))
        found.append(torch.stack(falls, 1).double().cpu().numpy())
    return np.concatenate(found)


def latent_rows(
    deltas: Deltas,
    found: Contributions,
    halves: tuple[np.ndarray, np.ndarray],
    families: Families,
    switched: Peaks,
    most: int,
    seed: int,
) -> pd.DataFrame:
    """The top latents of one half of the images, judged on the other, the strongest first.

    Columns: latent; `chosen`, mean contribution in the choosing half; `value`, `low`, `high`, that
    of the other half; `noise`, the same of noise; `exact`, by how much LD falls there if the latent
    alone gets its clean value back, with its ends; `frequency`, in what share of all images it is
    among the STRONGEST; `woken`, `silenced` and those of noise, shares of all images.
    """
    choosing, judging = halves
    of_latents = found.of["latents"]
    latents = ranked(of_latents[choosing])[:most]
    measured = exact(deltas.only(judging), families, latents)
    leading = np.argsort(-of_latents, axis=1, kind="stable")[:, :STRONGEST]
    frequency = np.bincount(leading.ravel(), minlength=of_latents.shape[1]) / len(deltas)
    shares = {
        f"{name}{end}": getattr(switched, name)(kind).mean(0)
        for name in ("woken", "silenced")
        for kind, end in (("adversarial", ""), ("noise", "_noise"))
    }
    rows = [
        {
            "latent": latent,
            "chosen": of_latents[choosing, latent].mean(),
            **_ends("", statistics.mean_estimate(of_latents[judging, latent], seed)),
            "noise": found.of_noise[judging, latent].mean(),
            **_ends("exact", statistics.mean_estimate(measured[:, place], seed)),
            "frequency": frequency[latent],
            **{name: each[latent] for name, each in shares.items()},
        }
        for place, latent in enumerate(latents.tolist())
    ]
    return pd.DataFrame(rows, columns=LATENT_COLUMNS)


def _ends(name: str, found: dict[str, Any]) -> dict[str, float]:
    low, high = found["interval"] or (np.nan, np.nan)
    start = f"{name}_" if name else ""
    return {name or "value": found["value"], f"{start}low": low, f"{start}high": high}


def pair_rows(deltas: Deltas, contributions: np.ndarray) -> pd.DataFrame:
    """own, became, images, rank, latent, contribution: of what latents carry between two classes.

    Of pairs of classes with PAIR_IMAGES images, in the order of how many there are.
    """
    pairs = pd.DataFrame({"own": deltas.own, "became": deltas.became})
    rows = []
    for (own, became), some in pairs.groupby(["own", "became"], sort=True):
        if len(some) < PAIR_IMAGES:
            continue
        mean = contributions[some.index].mean(0)
        for rank, latent in enumerate(np.argsort(-mean, kind="stable")[:PAIR_LATENTS].tolist()):
            rows.append((own, became, len(some), rank, latent, mean[latent]))
    table = pd.DataFrame(rows, columns=PAIR_COLUMNS)
    return table.sort_values(
        ["images", "own", "became", "rank"], ascending=[False, True, True, True]
    )
