"""Overcomplete: its TopKSAE and its training loop, silent, as its README has them.

Losses: `mse` (README), or `auxk` (its own top_k_auxiliary_loss). Adam, gradients clipped at 1;
beyond the README, its cosine schedule, after a warm-up on the first twentieth of the steps. It has
no bias in the decoder and leaves normalisation to the user: tokens are centred, and scaled to unit
variance.
"""

import torch
from overcomplete.sae import TopKSAE, train_sae
from overcomplete.sae.losses import top_k_auxiliary_loss
from overcomplete.sae.optimizer import CosineScheduler

from benchmarks.peers.harness import Task, first_tokens, report, timed_batches


def mse(x, x_hat, pre_codes, codes, dictionary):
    """The loss of the README."""
    return (x - x_hat).square().mean()


def main() -> None:
    """Train, then report."""
    task = Task.read()
    torch.manual_seed(0)
    sample = first_tokens(task)
    mean = sample.mean(0)
    scale = (sample - mean).square().mean().sqrt()

    def prepare(acts: torch.Tensor) -> torch.Tensor:
        return (acts - mean) / scale

    sae = TopKSAE(sample.shape[1], nb_concepts=task.latents, top_k=task.k)
    optimizer = torch.optim.Adam(sae.parameters(), lr=task.learning_rate)
    scheduler = CosineScheduler(
        optimizer, task.learning_rate, 0.0, task.steps, max(1, task.steps // 20)
    )
    loss = {"mse": mse, "auxk": top_k_auxiliary_loss}[task.option]
    seconds: list[float] = []
    batches = timed_batches(task, prepare, seconds)
    train_sae(sae, batches, loss, optimizer, scheduler, nb_epochs=1, monitoring=0)
    sae.eval()
    report(task, seconds, prepare, lambda acts: sae(acts)[1:])


if __name__ == "__main__":
    main()
