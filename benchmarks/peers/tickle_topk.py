"""Tickle: a Trainee's own step, as the stage `sae` takes it, centring and scaling included.

Options are the precisions of the encoder product: `float32`, `bfloat16`.
"""

from collections import defaultdict

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.peers.harness import Task, first_tokens, report, timed_batches
from tickle_core import devices
from tickle_core.dictionaries.recipe import Recipe
from tickle_core.dictionaries.stream import Sample
from tickle_core.dictionaries.training import Trainee

PROFILED_STEPS = 5
REST = "rest"
# Kernels by the part of a step that they belong to. AuxK, when there are dead latents, has dense
# products too: its bias is added by addmm, what follows is in the rest.
PARTS = {
    "aten::addmm": "encoder product",
    "aten::topk": "top-k",
    "aten::amax": "top-k",
    "aten::gather": "top-k",
    "aten::sparse_sampled_addmm": "sampled product",
    "aten::_embedding_bag": "sparse product",
    "aten::_embedding_bag_forward_only": "sparse product",
    "aten::sort": "transposing",
    "aten::bincount": "transposing",
    "aten::repeat_interleave": "transposing",
    "aten::index": "indexing",
    "aten::_index_put_impl_": "indexing",
    "aten::nonzero": "indexing",
    "aten::index_select": "indexing",
    "aten::_fused_adam_": "optimizer",
}


def main() -> None:
    """Train, then report, with the milliseconds that each part of a step takes."""
    task = Task.read()
    devices.prepare("cpu")
    tokens = first_tokens(task)
    mean = tokens.mean(0)
    sample = Sample(tokens, mean, (tokens - mean).square().sum(1).mean().sqrt())
    recipe = Recipe(
        variant="topk",
        latents=task.latents,
        k=task.k,
        l1=1.0,  # unused by topk
        seed=0,
        precision=task.option,
        permuted=False,
        tokens=task.steps * task.batch,
        batch_size=task.batch,
        learning_rate=task.learning_rate,
        dead_after=task.dead_after,
        patience=1,  # unused without checks
    )
    trainee = Trainee(recipe, sample)
    seconds: list[float] = []
    for batch in timed_batches(task, lambda acts: acts, seconds):
        trainee.step(sample.standardized(batch))
    weights = {name: weight.clone() for name, weight in trainee.sae.state_dict().items()}
    parts = milliseconds(trainee, sample, batch)
    trainee.sae.load_state_dict(weights)

    def run(acts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        codes = trainee.sae.codes(acts)
        return codes.dense(), trainee.sae.decode_codes(codes)

    report(task, seconds, sample.standardized, run, parts=parts)


def milliseconds(trainee: Trainee, sample: Sample, batch: torch.Tensor) -> dict[str, float]:
    """Where the time of further steps goes: of the main thread, per step."""
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(PROFILED_STEPS):
            trainee.step(sample.standardized(batch))
    parts: dict[str, float] = defaultdict(float)
    for event in profiled.key_averages():
        parts[PARTS.get(event.key, REST)] += event.self_cpu_time_total / 1000 / PROFILED_STEPS
    return dict(parts)


if __name__ == "__main__":
    main()
