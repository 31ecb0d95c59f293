"""Looking on while a network runs."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn


@contextmanager
def hooked(
    network: nn.Module, paths: Iterable[str], hook: Callable[[str, nn.Module, Any, Any], None]
) -> Iterator[None]:
    """Call `hook` with path, module, inputs and output whenever one of these modules ran."""
    handles = [
        network.get_submodule(path).register_forward_hook(partial(hook, path)) for path in paths
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
