"""Exact ablation of 1,000 SAE latents: the network's tail against the whole network with a hook.

ResNet-18 at 224 px with random weights, cut behind layer3; a TopK SAE with random directions; each
latent is set to zero on each image. The peer's way is a hook on the layer that edits its output
while the whole network runs again; it gets the same coefficients, in the same batches.
Both run in turns in one process, a few latents at a time. Last, the tail alone once more, leaving
out the pairs of latent and image where the latent is silent.

    python -m benchmarks.latent_ablation                            # 2 to 4 minutes
    python -m benchmarks.latent_ablation --latents 20 --images 2  # a quick look
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torchvision import models as zoo

from tickle_core import devices
from tickle_core.circuits.effects import active_pairs, edited_logits
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.interventions.units import Latents
from tickle_core.models.accuracy import batch_size
from tickle_core.models.splicing import Splice
from tickle_core.models.split import split
from tickle_core.models.tokens import to_tokens

LAYER, SHAPE = "layer3", (256, 14, 14)
WIDTH, K = 4096, 32
TURNS = 5


@dataclass(frozen=True)
class Case:
    """Images, and what is added to the coefficients of the latents on them.

    Attributes
    ----------
    images : (n, 3, 224, 224)
    tokens : (n, P, d)
    change : (n, P, latents)
    directions : (latents, d)
    """

    network: nn.Module
    splice: Splice
    images: torch.Tensor
    tokens: torch.Tensor
    change: torch.Tensor
    directions: torch.Tensor

    @property
    def members(self) -> list[torch.Tensor]:
        """Each latent as a set of its own."""
        return list(torch.arange(len(self.directions))[:, None])


def main() -> None:
    """Time both, and print what they give."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--latents", type=int, default=1000)
    parser.add_argument("--images", type=int, default=4)
    options = parser.parse_args()
    devices.prepare("cpu")
    with torch.no_grad():
        compare(make_case(options.latents, options.images))


def make_case(latents: int, count: int) -> Case:
    """Smooth random images, the network, and the latents that an SAE has on its layer."""
    torch.manual_seed(0)
    network = zoo.resnet18().eval().to(memory_format=torch.channels_last)
    images = F.interpolate(torch.randn(count, 3, 14, 14), size=224, mode="bicubic")
    images = images.contiguous(memory_format=torch.channels_last)
    head, tail = split(network, LAYER, images[:1])
    sae = SparseAutoencoder(SHAPE[0], WIDTH, "topk", K)
    sae.w_dec.copy_(F.normalize(torch.randn(WIDTH, SHAPE[0])))
    sae.w_enc.copy_(sae.w_dec)
    tokens = to_tokens(head(images), "NCHW")
    sae.b_enc.copy_(-sae.w_enc @ tokens.mean((0, 1)))  # as training has it: else few ever fire
    units, asked = Latents(sae), torch.arange(latents)
    own = units.coefficients(tokens.flatten(0, 1), asked).view(*tokens.shape[:2], latents)
    splice = Splice(
        tail,
        {"layout": "NCHW", "shape": SHAPE},
        targets=np.full(count, -1),
        classifier=None,  # a clean cut needs none
        images=SimpleNamespace(images=np.empty((count, 224, 224, 3), np.uint8)),
    )
    return Case(network, splice, images, tokens, -own, units.directions[asked])


def compare(case: Case) -> None:
    """Run every pair both ways, a share of the latents in turn, then the pairs that count."""
    every = torch.cartesian_prod(torch.arange(len(case.directions)), torch.arange(len(case.images)))
    active = active_pairs(case.change, case.members)
    tail_logits(case, every[:8]), network_logits(case, every[:8])  # warm up
    spent = {tail_logits: 0.0, network_logits: 0.0}
    found: dict[Callable, list[torch.Tensor]] = {tail_logits: [], network_logits: []}
    for part in every.tensor_split(TURNS):
        for way in spent:
            seconds, logits = timed(way, case, part)
            spent[way] += seconds
            found[way].append(logits)
    skipping, some = timed(tail_logits, case, active)
    ours, theirs = (torch.cat(each) for each in found.values())
    place = active[:, 0] * len(case.images) + active[:, 1]
    skipped = case.network(case.images)[every[:, 1]]  # a silent latent leaves the logits clean
    skipped[place] = some
    scale = (case.network(case.images)[every[:, 1]] - theirs).abs().max()
    whole, part = spent[network_logits], spent[tail_logits]
    print(
        f"{len(case.directions)} latents x {len(case.images)} images = {len(every)} ablations at "
        f"{LAYER} of resnet18, {batch_size(case.splice.images)} in a batch\n"
        f"whole network with a hook {whole:7.1f} s\n"
        f"tail                      {part:7.1f} s   {whole / part:.2f} times as fast\n"
        f"tail, silent pairs left out {skipping:5.1f} s   {whole / skipping:.2f} times as fast; "
        f"{len(active)} pairs run\n"
        f"greatest difference of a logit, by the greatest effect on one ({scale:.2g}): "
        f"tail {(ours - theirs).abs().max() / scale:.1e}, "
        f"without silent pairs {(skipped - theirs).abs().max() / scale:.1e}"
    )


def tail_logits(case: Case, pairs: torch.Tensor) -> torch.Tensor:
    """Tickle's way: the tail on edited tokens."""
    edit = case.change, case.directions, case.members, pairs
    parts = edited_logits(case.splice, case.tokens, np.arange(len(case.tokens)), *edit)
    return torch.cat([logits for _, logits, _ in parts])


def network_logits(case: Case, pairs: torch.Tensor) -> torch.Tensor:
    """A peer's way: the whole network, and a hook that edits what the layer gives."""
    found = []
    for part in pairs.split(batch_size(case.splice.images)):
        which, image = part.T
        change = case.change[image, :, which][..., None] * case.directions[which][:, None]
        change = change.view(-1, *SHAPE[1:], SHAPE[0]).permute(0, 3, 1, 2)
        hook = partial(lambda change, *call: call[-1] + change, change)
        handle = case.network.get_submodule(LAYER).register_forward_hook(hook)
        found.append(case.network(case.images[image]))
        handle.remove()
    return torch.cat(found)


def timed(
    way: Callable[[Case, torch.Tensor], torch.Tensor], case: Case, pairs: torch.Tensor
) -> tuple[float, torch.Tensor]:
    """Wall time of ablating these pairs, and their logits."""
    started = time.perf_counter()
    logits = way(case, pairs)
    return time.perf_counter() - started, logits


if __name__ == "__main__":
    main()
