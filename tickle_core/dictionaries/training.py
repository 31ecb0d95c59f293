"""Training sparse autoencoders, several at once, on one shuffled stream of train tokens."""

import itertools
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tickle_core.activations.store import ActivationStore
from tickle_core.dictionaries import checkpoint, directions, objectives, selection
from tickle_core.dictionaries.recipe import Recipe
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.dictionaries.stream import Sample, permute_dimensions, token_batches
from tickle_core.errors import TickleError
from tickle_core.params.sae import Sae
from tickle_core.progress import progress

WARM_UP_SHARE = 0.05
CLIP_NORM = 1.0
CHECKS = 25  # on held-out tokens, in a training that is not stopped early
GAIN = 0.001  # of the FVU, that counts as an improvement
INITIAL_TOKENS = 4096
CHECKPOINT_SECONDS = 20
DIVERGED = 2.0  # FVU: the mean alone has 1


@dataclass(frozen=True)
class Trained:
    """An SAE that acts on raw activations, how it was made, and from how many batches."""

    sae: SparseAutoencoder
    recipe: Recipe
    steps: int


def train(
    store: ActivationStore,
    rows: np.ndarray,
    sample: Sample,
    held_out: torch.Tensor,
    recipes: dict[str, Recipe],
    section: Sae,
    seed: int,
    scratch: Path,
) -> dict[str, Trained]:
    """Train one SAE per recipe.

    Every batch is read, centred and scaled once and serves them all. Adam with warm-up and cosine
    decay; gradients lose their part along the decoder's rows and are clipped; the decoder keeps
    unit norm. An SAE whose held-out FVU has stopped falling is done.

    Every CHECKPOINT_SECONDS everything is written to `scratch`, and a training that was killed goes
    on from there to the same weights.

    Memory: the pool of tokens (`section.buffer_mib`), one batch and its active latents, the
    weights with their optimizers; none of it grows with the number of images.

    Parameters
    ----------
    rows
        Rows of the store to learn from, ascending.
    sample
        Of their tokens, on the device to train on.
    held_out
        Raw tokens (n, d) of other images of the train split.
    recipes
        By name; their numbers of steps and their batch sizes are the section's.
    scratch
        An existing folder of this training's own.
    """
    trainees = {name: Trainee(recipe, sample) for name, recipe in recipes.items()}
    steps = max(trainee.recipe.steps for trainee in trainees.values())
    check_every = max(1, steps // CHECKS)
    held_out = sample.standardized(held_out.to(sample.mean.device))
    done = _resume(scratch, trainees)
    pool_bytes = section.buffer_mib * 2**20
    stream = token_batches(store, rows, section.batch_size, pool_bytes, seed, first=done)
    batches = itertools.islice(stream, steps - done)
    saved = time.monotonic()
    for batch in progress(batches, "training SAEs", "batch", total=steps, initial=done):
        acts = sample.standardized(batch.to(sample.mean.device))
        for trainee in trainees.values():
            if not trainee.done:
                trainee.step(acts)
        done += 1
        if done % check_every == 0 or done == steps:
            for trainee in trainees.values():
                if not trainee.done:
                    trainee.check(held_out)
        if all(trainee.done for trainee in trainees.values()):
            break
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            _save(scratch, done, trainees)
            saved = time.monotonic()
    for name, trainee in trainees.items():
        trainee.require_success(name)
    _save(scratch, done, trainees)
    for trainee in trainees.values():
        trainee.sae.fold(sample.mean, sample.scale)
    return {
        name: Trained(trainee.sae.eval().requires_grad_(False), trainee.recipe, trainee.steps)
        for name, trainee in trainees.items()
    }


class Trainee:
    """An SAE in training.

    Attributes
    ----------
    sae
        Acts on centred and scaled activations.
    steps
        Batches that it has learnt from.
    done
        Whether its training is over.
    """

    def __init__(self, recipe: Recipe, sample: Sample):
        self.recipe = recipe
        self.sae = initial(sample, recipe)
        self.sae.w_dec.requires_grad_(not recipe.frozen)
        self.done = False
        learnt = [weight for weight in self.sae.parameters() if weight.requires_grad]
        self._optimizer = torch.optim.Adam(learnt, lr=recipe.learning_rate, fused=True)
        self.steps = 0
        self._best, self._stale = math.inf, 0
        # What a short batch is permuted with.
        self._others = sample.standardized(sample.tokens[: sample.tokens.shape[1]])
        # Tokens since each latent was last active.
        self._silence = torch.zeros(recipe.latents, dtype=torch.int64, device=sample.mean.device)

    def step(self, acts: torch.Tensor) -> None:
        """Learn from one batch (n, d)."""
        acts = self.view(acts, self.steps)
        sae = self.sae
        dead = (self._silence >= self.recipe.dead_after).nonzero()[:, 0]
        loss = objectives.loss(sae, acts, self.recipe, dead)
        self._optimizer.zero_grad()
        loss.total.backward()
        if not self.recipe.frozen:
            sae.remove_parallel_gradient()
        torch.nn.utils.clip_grad_norm_(sae.parameters(), CLIP_NORM)
        for group in self._optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * rate(self.steps, self.recipe.steps)
        self._optimizer.step()
        if not self.recipe.frozen:
            sae.normalize_decoder()
        with torch.no_grad():
            sae.threshold.clamp_min_(0)
        self._silence += len(acts)
        self._silence.masked_fill_(loss.codes.strength() > 0, 0)
        self.steps += 1

    def check(self, held_out: torch.Tensor) -> None:
        """Stop if the FVU of held-out tokens (n, d) has not fallen for some time."""
        acts = self.view(held_out, 0)
        calibrate(self.sae, acts)
        with torch.no_grad():
            error = self.sae.decode_codes(self.sae.codes(acts)) - acts
        fvu = float(error.square().sum() / (acts - acts.mean(0)).square().sum())
        if fvu < self._best * (1 - GAIN):
            self._best, self._stale = fvu, 0
        else:
            self._stale += 1
        self.done = self._stale >= self.recipe.patience or self.steps >= self.recipe.steps

    def require_success(self, name: str) -> None:
        """Refuse weights that describe activations worse than their mean does.

        Raises
        ------
        TickleError
            If held-out FVU never fell below `DIVERGED`.
        """
        if not self._best < DIVERGED:
            raise TickleError(
                f"the training of the autoencoder {name!r} diverged: its best held-out FVU is "
                f"{self._best:.3g}; lower sae.learning_rate"
            )

    def view(self, acts: torch.Tensor, number: int) -> torch.Tensor:
        """What this SAE sees of a batch: the null one, its dimensions permuted."""
        if not self.recipe.permuted:
            return acts
        rng = np.random.default_rng([self.recipe.seed, number])
        return permute_dimensions(acts, rng, self._others)

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {
            "sae": self.sae.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "silence": self._silence,
            "numbers": [self.steps, self._best, self._stale, self.done],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Become what `state` was taken of."""
        self.sae.load_state_dict(state["sae"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._silence = state["silence"]
        self.steps, self._best, self._stale, self.done = state["numbers"]


def initial(sample: Sample, recipe: Recipe) -> SparseAutoencoder:
    """An SAE before training: its directions are data points, the encoder looks along them.

    Those of a frozen one are random, but spread as the tokens are.
    """
    acts = sample.standardized(sample.tokens)
    if recipe.permuted:
        acts = permute_dimensions(acts, np.random.default_rng(recipe.seed))
    generator = torch.Generator().manual_seed(recipe.seed)
    # Drawn with replacement where there are fewer tokens than latents.
    chosen = torch.randperm(max(len(acts), recipe.latents), generator=generator) % len(acts)
    sae = SparseAutoencoder(acts.shape[1], recipe.latents, recipe.variant, recipe.k)
    sae.to(acts.device)
    with torch.no_grad():
        if recipe.frozen:
            sae.w_dec.copy_(directions.like_tokens(sample, recipe.latents, recipe.seed))
        else:
            sae.w_dec.copy_(acts[chosen[: recipe.latents].to(acts.device)])
        sae.normalize_decoder()
        sae.w_enc.copy_(sae.w_dec)
        some = acts[:INITIAL_TOKENS]
        if recipe.variant not in ("topk", "relu"):
            _set_threshold(sae, some)
        # Active latents overlap, and together would overshoot by far.
        rebuilt = sae.decode_codes(sae.codes(some))
        shrink = (rebuilt * some).sum() / rebuilt.square().sum()
        sae.w_enc.mul_(shrink)
        sae.threshold.mul_(shrink)
    return sae


def calibrate(sae: SparseAutoencoder, acts: torch.Tensor) -> None:
    """Set the threshold of an SAE that was trained on whole batches' largest entries.

    At it, k latents per token are active on the average of the given activations (n, d). The
    other variants have no such threshold.
    """
    if sae.variant in ("batchtopk", "matryoshka"):
        _set_threshold(sae, acts)


@torch.no_grad()
def _set_threshold(sae: SparseAutoencoder, acts: torch.Tensor) -> None:
    _, smallest = selection.largest_pattern(
        lambda: selection.pre_activations(acts, sae.w_enc, sae.b_enc, "float32"),
        sae.k * len(acts),
        float(sae.threshold[0]),
    )
    # Just below it, since what is active lies above the threshold.
    sae.threshold.fill_(smallest * (1 - 1e-6))


def rate(step: int, steps: int) -> float:
    """Share of the full learning rate: linear warm-up, then cosine to zero."""
    warm_up = max(1, int(WARM_UP_SHARE * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


def _save(scratch: Path, steps: int, trainees: dict[str, Trainee]) -> None:
    states = {name: trainee.state() for name, trainee in trainees.items()}
    checkpoint.save(scratch, {"steps": steps, "trainees": states})


def _resume(scratch: Path, trainees: dict[str, Trainee]) -> int:
    """Take up what was saved, if anything was; the number of batches that it has seen."""
    saved = checkpoint.load(scratch)
    if saved is None:
        return 0
    for name, trainee in trainees.items():
        trainee.restore(saved["trainees"][name])
    return saved["steps"]
