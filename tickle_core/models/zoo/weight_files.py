"""Files of weights: found, downloaded, and read without ever unpickling code."""

import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

from tickle_core import downloads
from tickle_core.errors import TickleError
from tickle_core.models.names import suggest
from tickle_core.models.zoo.entry import Weights

GIVEN = Path("data/checkpoints")  # brought by the user; DVC tracks it
CACHE = Path(".cache/downloads/checkpoints")

# Under which keys training code keeps the state dict, the first of which is taken if there are
# several, and what wrappers put before its names.
NESTS = ("state_dict", "model_state_dict", "model", "net", "network")
PREFIXES = ("module.", "_orig_mod.", "model.")
# Heads that only serve training: torchvision's networks here are built without them.
AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
# What names of transformers' vision models begin with.
HUGGING_FACE = (
    "vit.",
    "deit.",
    "beit.",
    "dinov2.",
    "swin.",
    "convnext.",
    "resnet.",
    "vision_model.",
)
EXAMPLES = 3


def obtain(name: str, url: str, sha256_prefix: str = "") -> Path:
    """The file of published weights: the user's, else an earlier download, else a new one.

    Parameters
    ----------
    name
        Of the file, in either folder.
    url
        Where it is published.
    sha256_prefix
        First hexadecimal digits of the file's SHA-256, as far as they are known.

    Raises
    ------
    TickleError
        If it is nowhere and cannot be downloaded, or is not the published file.
    """
    for folder in (GIVEN, CACHE):
        path = folder / name
        if path.is_file():
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if not found.startswith(sha256_prefix):
                raise TickleError(
                    f"{path} is not the published file: its SHA-256 starts with "
                    f"{found[: len(sha256_prefix)]}, not {sha256_prefix}; replace or remove it"
                )
            return path
    try:
        _download(url, CACHE / name, sha256_prefix)
    except Exception as error:  # sockets, HTTP, TLS and the checksum each fail in their own way
        raise TickleError(
            f"the weights {name} are neither in {GIVEN} nor in {CACHE}, and downloading {url} "
            f"failed ({' '.join(str(error).split()) or repr(error)}): put the file into {GIVEN}, "
            "or run again with a connection"
        ) from None
    return CACHE / name


def _download(url: str, path: Path, sha256_prefix: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with downloads.impatient():
        torch.hub.download_url_to_file(
            url, str(path), sha256_prefix or None, progress=sys.stderr.isatty()
        )


def read(path: Path, key: str | None = None) -> Weights:
    """The state dict in a safetensors file or in a file that `torch.save` wrote.

    It may be nested under a key, in several levels. Files of `torch.save` are read with
    `weights_only=True`, so that nothing in them is executed.

    Parameters
    ----------
    key
        Where the state dict is, if the file has several ("ema" or "model/ema"); None: under the
        first of the usual keys, which a note says.

    Raises
    ------
    TickleError
        If the file is missing, damaged, holds more than tensors and plain values, has nothing
        under the key, several state dicts but none under a usual key, or weights that are NaN.
    """
    if not path.is_file():
        raise TickleError(f"{path} is missing: put the file there, or name another in model.file")
    try:
        if path.suffix == ".safetensors":
            content = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file surfaces as whatever the reader stumbles over
        raise TickleError(
            f"{path} cannot be read as weights ({_reason(error)}): it must hold tensors alone, "
            "since unpickling anything else can run code; write it with safetensors, or with "
            "torch.save(model.state_dict(), ...)"
        ) from None
    found = dict(_state_dicts(content))
    if not found:
        raise TickleError(
            f"{path} holds no state dict: expected names with tensors, at the top or under a key"
        )
    taken = _taken(found, key, path)
    others = [name for name in found if name != taken]
    note = ""
    if others and key is None:
        note = (
            f"{path} holds several state dicts: {taken} was read, not {', '.join(others)} "
            "(model.state names another)"
        )
    _require_numbers(found[taken], path)
    return Weights(found[taken], note)


def _state_dicts(content: Any, path: str = "") -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    """All that may be state dicts, by the keys that lead to them ("model/ema", "" at the top)."""
    # Optimisers keep what is of a parameter under its number.
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        return
    if content and all(map(torch.is_tensor, content.values())):
        yield path, content
        return
    for key, value in content.items():
        yield from _state_dicts(value, f"{path}/{key}" if path else key)


def _taken(found: dict[str, Any], key: str | None, path: Path) -> str:
    """Which of the state dicts is meant."""
    if key is not None:
        if key not in found:
            raise TickleError(
                f"model.state is {key!r}, under which {path} holds no state dict; "
                f"{suggest(key, list(found))}"
            )
        return key
    if len(found) == 1:
        return next(iter(found))
    usual = [each for each in found if each.split("/")[0] in NESTS]
    if not usual:
        raise TickleError(
            f"{path} holds several state dicts, under {', '.join(found)}: name one in model.state"
        )
    return min(usual, key=_rank)


def _rank(keys: str) -> list[int]:
    """How usual it is that a state dict lies under these keys; less is more usual."""
    return [NESTS.index(key) if key in NESTS else len(NESTS) for key in keys.split("/")]


def _require_numbers(state: dict[str, torch.Tensor], path: Path) -> None:
    broken = [
        name
        for name, tensor in state.items()
        if tensor.is_floating_point() and not tensor.isfinite().all()
    ]
    if broken:
        raise TickleError(
            f"{path}: {len(broken)} of {len(state)} tensors hold NaN or infinity "
            f"({_some(broken)}): the training diverged, or the file is damaged"
        )


def _reason(error: Exception) -> str:
    """The finding in an error of torch, which surrounds it with advice to switch the check off."""
    found = re.search(r"WeightsUnpickler error: ([^\n]*)", str(error))
    lines = (found[1] if found else str(error)).strip().splitlines()
    return lines[0].rstrip(". ") if lines else type(error).__name__


def fit(
    network: nn.Module, state: dict[str, torch.Tensor], what: str, head: str | None = None
) -> None:
    """Load a state dict into a network; every tensor must have its place.

    Prefixes that wrappers (DataParallel, torch.compile, Lightning) put before each name are
    taken off, and heads that only serve training are left out.

    Parameters
    ----------
    what
        Names the weights in an error.
    head
        Module path of a layer that is fitted later on: what the state dict has for it is left out.

    Raises
    ------
    TickleError
        If tensors are missing, left over or of another shape; with counts and examples.
    """
    expected = network.state_dict()
    for prefix in PREFIXES * 2:  # a compiled DataParallel has two, in either order
        if all(name.startswith(prefix) and name not in expected for name in state):
            consume_prefix_in_state_dict_if_present(state, prefix)
    state = {
        name: tensor
        for name, tensor in state.items()
        if name in expected or not name.startswith(AUXILIARY)
    }
    if head is not None:
        kept = {name: each for name, each in expected.items() if name.startswith(f"{head}.")}
        others = {name: each for name, each in state.items() if not name.startswith(f"{head}.")}
        state = others | kept
    try:
        network.load_state_dict(state)
    except RuntimeError:
        raise TickleError(
            f"{what} does not fit the architecture: {_misfits(expected, state)}{_hint(state)}"
        ) from None


def _hint(state: dict[str, torch.Tensor]) -> str:
    if not any(name.startswith(HUGGING_FACE) for name in state):
        return ""
    return (
        "; these are names of Hugging Face's transformers: set model.architecture to a factory of "
        "yours in data/checkpoints that builds the class that they are of"
    )


def _misfits(expected: dict[str, torch.Tensor], state: dict[str, torch.Tensor]) -> str:
    kinds = {
        "missing": [name for name in expected if name not in state],
        "unexpected": [name for name in state if name not in expected],
        "of another shape": [
            f"{name} {list(tensor.shape)} instead of {list(expected[name].shape)}"
            for name, tensor in state.items()
            if name in expected and tensor.shape != expected[name].shape
        ],
    }
    found = [f"{len(names)} {kind} ({_some(names)})" for kind, names in kinds.items() if names]
    return f"of {len(expected)} tensors, " + ", ".join(found)


def _some(names: list[str]) -> str:
    return ", ".join(names[:EXAMPLES]) + (", ..." if len(names) > EXAMPLES else "")
