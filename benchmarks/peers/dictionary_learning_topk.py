"""dictionary-learning: its AutoEncoderTopK, and its TopKTrainer's own update.

Everything as its trainer has it (AuxK at 1/32, Adam, unit norm, parallel gradients removed,
clipping), tokens divided by its `get_norm_factor`; linear warm-up on the first twentieth of the
steps and linear decay on the last fifth, which are its arguments. By its default a latent is dead
after 10 million tokens.
"""

import torch
from dictionary_learning.trainers.top_k import TopKTrainer
from dictionary_learning.training import get_norm_factor

from benchmarks.peers.harness import Task, first_tokens, report, timed_batches


def main() -> None:
    """Train, then report."""
    task = Task.read()
    sample = first_tokens(task)
    chunks = sample.split(task.batch)
    scale = get_norm_factor(chunks, len(chunks))

    def prepare(acts: torch.Tensor) -> torch.Tensor:
        return acts / scale

    trainer = TopKTrainer(
        steps=task.steps,
        activation_dim=sample.shape[1],
        dict_size=task.latents,
        k=task.k,
        layer=0,
        lm_name="none",
        lr=task.learning_rate,
        warmup_steps=max(1, task.steps // 20),
        decay_start=task.steps * 4 // 5,
        seed=0,
        device="cpu",
    )
    trainer.dead_feature_threshold = task.dead_after
    seconds: list[float] = []
    for step, batch in enumerate(timed_batches(task, prepare, seconds)):
        trainer.update(step, batch)

    def run(acts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rebuilt, latents = trainer.ae(acts, output_features=True)
        return latents, rebuilt

    report(task, seconds, prepare, run)


if __name__ == "__main__":
    main()
