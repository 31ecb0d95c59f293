"""Files of weights: found, downloaded, and read without ever unpickling code."""

import hashlib
import re
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

from tickle_core import downloads
from tickle_core.errors import TickleError

GIVEN = Path("data/checkpoints")  # brought by the user; DVC tracks it
CACHE = Path(".cache/downloads/checkpoints")

# Under which keys training code keeps the state dict, and what wrappers put before its names.
NESTS = ("state_dict", "model_state_dict", "model")
PREFIXES = ("module.", "_orig_mod.", "model.")
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


def require(path: Path) -> None:
    """Refuse a file that is not there.

    Raises
    ------
    TickleError
        It names the file.
    """
    if not path.is_file():
        raise TickleError(f"{path} is missing: put the file there, or name another in model.file")


def read(path: Path) -> dict[str, torch.Tensor]:
    """The state dict in a safetensors file or in a file that `torch.save` wrote.

    It may be nested under the usual keys. Files of `torch.save` are read with
    `weights_only=True`, so that nothing in them is executed.

    Raises
    ------
    TickleError
        If the file is missing, damaged, or holds more than tensors and plain values.
    """
    require(path)
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
    return _unwrapped(content, path)


def _reason(error: Exception) -> str:
    """The finding in an error of torch, which surrounds it with advice to switch the check off."""
    found = re.search(r"WeightsUnpickler error: ([^\n]*)", str(error))
    lines = (found[1] if found else str(error)).strip().splitlines()
    return lines[0].rstrip(". ") if lines else type(error).__name__


def _unwrapped(content: Any, path: Path) -> dict[str, torch.Tensor]:
    while isinstance(content, dict):
        nested = [content[key] for key in NESTS if isinstance(content.get(key), dict)]
        if not nested:
            break
        content = nested[0]
    tensors = isinstance(content, dict) and all(map(torch.is_tensor, content.values()))
    if not (tensors and content):
        raise TickleError(
            f"{path} holds no state dict: expected names with tensors, at the top or under one "
            f"of {', '.join(NESTS)}"
        )
    return content


def fit(network: nn.Module, state: dict[str, torch.Tensor], what: str) -> None:
    """Load a state dict into a network; every tensor must have its place.

    Prefixes that wrappers (DataParallel, torch.compile, Lightning) put before each name are
    taken off.

    Parameters
    ----------
    what
        Names the weights in an error.

    Raises
    ------
    TickleError
        If tensors are missing, left over or of another shape; with counts and examples.
    """
    expected = network.state_dict()
    for prefix in PREFIXES * 2:  # a compiled DataParallel has two, in either order
        if all(name.startswith(prefix) and name not in expected for name in state):
            consume_prefix_in_state_dict_if_present(state, prefix)
    try:
        network.load_state_dict(state)
    except RuntimeError:
        raise TickleError(
            f"{what} does not fit the architecture: {_misfits(expected, state)}"
        ) from None


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
