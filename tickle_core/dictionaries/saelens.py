"""SAEs in the format of SAELens: `cfg.json` and `sae_weights.safetensors` (versions from 6.0 on).

Theirs read

    z = S((a - c b_dec) W_enc + b_enc)        a_hat = z W_dec + b_dec

with W_enc (d_in, d_sae), W_dec (d_sae, d_in), and c = `apply_b_dec_to_input`. Which S it is, their
`architecture` says:

    topk        the k largest entries, if positive
    standard    max(x, 0)
    jumprelu    max(x, 0) where x is above a threshold per latent

So each SAE of ours is one of theirs with c = 0, and one of theirs with c = 1 is ours once
b_dec W_enc is taken off b_enc.
"""

import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.errors import TickleError
from tickle_core.params.sae import Variant
from tickle_core.results import write_json

CONFIG = "cfg.json"
WEIGHTS = "sae_weights.safetensors"

# The first version with this layout. Files that do not name one are taken for older ones.
FORMAT_VERSION = "6.0.0"
# Our own entry of their metadata, which they keep: their architectures are fewer than our variants.
OURS = "tickle"

# The architecture of each variant; the first variant of an architecture is what it means by itself.
ARCHITECTURES = {
    "topk": "topk",
    "relu": "standard",
    "jumprelu": "jumprelu",
    "batchtopk": "jumprelu",
    "matryoshka": "jumprelu",
}
# Numbers that float32 holds exactly.
DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def export_saelens(sae: SparseAutoencoder, directory: Path | str) -> None:
    """Write an SAE so that SAELens' `SAE.load_from_disk(directory)` reads it.

    It encodes and decodes as ours does, and `import_saelens` gives back the same weights to the
    bit, variant and k. SAELens has no architecture for batchtopk and matryoshka; to it they are
    jumprelu, which is how it saves its own. What it does not know of is carried in the metadata.
    What does not survive is the threshold of topk and relu, which the one does not use and
    which is 0 for the other.

    Parameters
    ----------
    sae
        Acts on raw activations.
    directory
        Is made if it does not exist.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    latents, d = sae.w_dec.shape
    architecture = ARCHITECTURES[sae.variant]
    config: dict[str, Any] = {
        "architecture": architecture,
        "d_in": d,
        "d_sae": latents,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": False,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {
            "sae_lens_version": FORMAT_VERSION,
            "sae_lens_training_version": None,
            OURS: {"variant": sae.variant, "k": sae.k},
        },
    }
    weights = {"W_enc": sae.w_enc.T, "b_enc": sae.b_enc, "W_dec": sae.w_dec, "b_dec": sae.b_dec}
    if architecture == "topk":
        config |= {"k": sae.k, "rescale_acts_by_decoder_norm": False}
    if architecture == "jumprelu":
        weights["threshold"] = sae.threshold
    # Cloned, since the file may not hold two names for one piece of memory.
    weights = {name: w.detach().cpu().contiguous().clone() for name, w in weights.items()}
    (directory / WEIGHTS).write_bytes(safetensors.torch.save(weights))
    write_json(directory / CONFIG, config)


def import_saelens(directory: Path | str) -> SparseAutoencoder:
    """Read an SAE that SAELens, or `export_saelens`, wrote; it acts on raw activations.

    Weights in half precision are widened. Rows of the decoder keep the norms that they have
    there, which need not be 1: latents are the same numbers as in SAELens. A `jumprelu` that is
    not from here may have been a batchtopk; it comes in as jumprelu. Its k, and that of
    `standard`, is not in the files and becomes 0.

    Raises
    ------
    TickleError
        If files are missing, damaged, older than SAELens 6 or not safetensors (nothing is ever
        unpickled), or if the SAE does what ours do not: another architecture (gated, transcoders,
        training checkpoints of batchtopk, ...), normalised or reshaped input, further weights,
        float64.
    """
    directory = Path(directory)
    config = _read_config(directory)
    try:
        weights = load_file(directory / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise TickleError(
            f"{directory / WEIGHTS} cannot be read ({error}): save the SAE with SAELens 6 or newer"
        ) from None
    _check_weights(directory, config, weights)
    variant, k = _variant(directory, config)
    w_enc, w_dec, b_dec = (weights[name].float() for name in ("W_enc", "W_dec", "b_dec"))
    b_enc = weights["b_enc"].float()
    if config.get("apply_b_dec_to_input", True):
        b_enc = (b_enc.double() - b_dec.double() @ w_enc.double()).float()
    if config.get("rescale_acts_by_decoder_norm", False):
        # Theirs chooses by x |w_dec|, and decodes that with rows of unit norm.
        norms = w_dec.norm(dim=1)
        # A latent that decodes to nothing is silent there, and stays so.
        w_dec = w_dec / torch.where(norms > 0, norms, 1)[:, None]
        w_enc, b_enc = w_enc * norms, b_enc * norms
    sae = SparseAutoencoder(config["d_in"], config["d_sae"], variant, k)
    state = {"w_enc": w_enc.T, "b_enc": b_enc, "w_dec": w_dec, "b_dec": b_dec}
    state["threshold"] = weights.get("threshold", torch.zeros(config["d_sae"]))
    sae.load_state_dict(state)
    return sae.eval()


def _read_config(directory: Path) -> dict[str, Any]:
    """The configuration, if it is one of an SAE that can be ours."""
    path = directory / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        version = config.get("metadata", {}).get("sae_lens_version") or "0"
        recent = int(version.split(".")[0]) >= int(FORMAT_VERSION.split(".")[0])
    except (OSError, ValueError, AttributeError) as error:
        raise TickleError(f"{path} is no readable configuration of an SAE ({error})") from None
    if not recent:
        raise TickleError(
            f"{path} names no SAELens version from {FORMAT_VERSION} on: load the SAE with a recent "
            "SAELens and save it again"
        )
    supported = {
        "architecture": tuple(dict.fromkeys(ARCHITECTURES.values())),
        "normalize_activations": ("none",),
        "reshape_activations": ("none",),
    }
    for key, values in supported.items():
        found = config.get(key, "none")
        if found not in values:
            hint = (
                "; SAELens' save_inference_model turns a training checkpoint into jumprelu"
                if "batchtopk" in str(found)
                else ""
            )
            raise TickleError(
                f"{path}: {key} is {found}, which no SAE here can express (only "
                f"{', '.join(values)}){hint}"
            )
    return config


def _check_weights(
    directory: Path, config: dict[str, Any], weights: dict[str, torch.Tensor]
) -> None:
    """Refuse weights that are missing, unknown, misshapen or too precise."""
    path = directory / WEIGHTS
    d, latents = config.get("d_in"), config.get("d_sae")
    shapes = {
        "W_enc": (d, latents),
        "b_enc": (latents,),
        "W_dec": (latents, d),
        "b_dec": (d,),
    }
    if config["architecture"] == "jumprelu":
        shapes["threshold"] = (latents,)
    found = {name: tuple(weight.shape) for name, weight in weights.items()}
    if found != shapes:
        raise TickleError(
            f"{path} does not hold what {CONFIG} describes: expected {shapes}, found {found}"
        )
    for name, weight in weights.items():
        if weight.dtype not in DTYPES:
            raise TickleError(
                f"{path}: {name} is {weight.dtype}, which would be rounded: save it as float32"
            )


def _variant(directory: Path, config: dict[str, Any]) -> tuple[Variant, int]:
    """Variant and k: as our own metadata say, where there are any, or as the architecture does."""
    architecture = config["architecture"]
    default = next(variant for variant, theirs in ARCHITECTURES.items() if theirs == architecture)
    ours = config["metadata"].get(OURS) or {}
    variant = ours.get("variant", default)
    k = config.get("k") if architecture == "topk" else ours.get("k", 0)
    if ARCHITECTURES.get(variant) != architecture or not isinstance(k, int):
        raise TickleError(
            f"{directory / CONFIG} contradicts itself: variant {variant} and k {k} for "
            f"architecture {architecture}"
        )
    return variant, k
