"""Cutting a network at a layer: a head that ends there, and a tail that goes on from it.

The network is traced with torch.fx, looking only into the modules that contain the layer: every
other module stays one node, so that what it does inside (control flow included) is of no concern.
The tail is a copy of the graph from the layer on. The layer is a clean cut if nothing else that
was computed from the images is used there; reading the images' shape or dtype is no such use.
"""

import logging
from collections.abc import Callable

import torch
from torch import fx, nn

from tickle_core.errors import TickleError
from tickle_core.models import graph

TOLERANCE = 1e-3  # of the logits' norm: an operation lost in the cut changes far more

_log = logging.getLogger(__name__)


class NotACleanCut(TickleError):
    """Something besides the layer's output reaches the logits; `obstacle` says what."""

    def __init__(self, layer: str, obstacle: str):
        super().__init__(f"layer {layer} is no clean cut: {obstacle}")
        self.obstacle = obstacle


class Tail:
    """What follows a layer: its output -> logits, on the network's own weights.

    Attributes
    ----------
    layer
        Module path of the layer.
    obstacle
        Why the layer is no clean cut, "" if it is one. Where it is none, the whole network runs
        with the layer's output substituted.
    forward_passes, backward_passes
        Images that went through so far.
    """

    def __init__(
        self, layer: str, shape: torch.Size, run: Callable[..., torch.Tensor], obstacle: str = ""
    ):
        self.layer = layer
        self.obstacle = obstacle
        self.forward_passes = 0
        self.backward_passes = 0
        self._shape = shape
        self._run = run

    def __call__(self, acts: torch.Tensor, inputs: torch.Tensor | None = None) -> torch.Tensor:
        """Go on from the layer.

        Parameters
        ----------
        acts
            The layer's output as the network has it: (N, C, H, W), (N, H, W, C), (N, T, C) or
            (N, C). It is left as it is, also where the network would overwrite it.
        inputs
            The preprocessed images (N, C, H, W). Needed only where the layer is no clean cut.

        Returns
        -------
        torch.Tensor
            Logits (N, classes). Gradients reach `acts`.

        Raises
        ------
        TickleError
            If `acts` has another shape than the layer's output, or `inputs` are needed and
            missing or of another number.
        """
        if acts.shape[1:] != self._shape:
            raise TickleError(
                f"layer {self.layer} gives {list(self._shape)} per image, "
                f"but its tail got {list(acts.shape[1:])}"
            )
        if self.obstacle and (inputs is None or len(inputs) != len(acts)):
            got = "none" if inputs is None else len(inputs)
            raise TickleError(
                f"layer {self.layer} is no clean cut ({self.obstacle}): its tail needs the "
                f"{len(acts)} preprocessed images too, and got {got}"
            )
        logits = self._run(acts.clone(), inputs)
        self.forward_passes += len(acts)
        if logits.requires_grad:
            logits.register_hook(self._count_backward)
        return logits

    def _count_backward(self, gradient: torch.Tensor) -> None:
        self.backward_passes += len(gradient)


def split(network: nn.Module, layer: str, example: torch.Tensor) -> tuple[fx.GraphModule, Tail]:
    """Cut a network at a layer, so that `tail(head(x))` equals `network(x)`, on CPU to the bit.

    Both parts share the network's weights. That they agree is checked on the example.

    Parameters
    ----------
    network
        In evaluation mode. DataParallel and torch.compile wrappers are looked through.
    layer
        Module path; called once in a forward pass.
    example
        Preprocessed images (N, C, H, W); what is split serves images of this size.

    Raises
    ------
    NotACleanCut
        Saying what else reaches the logits.
    TickleError
        If the network is in training mode, has no such layer, or does not call it exactly once.
    """
    network = unwrap(network)
    shape, logits = _observe(network, layer, example)
    cut = graph.find_cut(network, layer)
    if cut.obstacle:
        raise NotACleanCut(layer, cut.obstacle)
    head = graph.head_of(network, cut)
    run = _with_stand_in(graph.tail_of(network, cut), example.shape[1:])
    with torch.no_grad():
        error = (run(head(example)) - logits).norm()
    if not error <= TOLERANCE * logits.norm():
        raise NotACleanCut(layer, "going on from it gives other logits than the whole network")
    return head, Tail(layer, shape, run)


def tail_of(network: nn.Module, layer: str, example: torch.Tensor) -> Tail:
    """The tail from a layer: split off where that can be done, else by substitution.

    Substitution runs the whole network and puts the given activations in the layer's place. It
    is right for every layer and saves nothing, which one line in the log says.

    Parameters and errors are those of `split`, but no layer is refused for not being a clean cut.
    """
    try:
        return split(network, layer, example)[1]
    except NotACleanCut as error:
        _log.warning("%s; each pass from it runs the whole network", error)
        network = unwrap(network)
        shape, _ = _observe(network, layer, example)
        return Tail(layer, shape, _substituting(network, layer), error.obstacle)


def unwrap(network: nn.Module) -> nn.Module:
    """The network inside DataParallel and torch.compile wrappers, in evaluation mode.

    Raises
    ------
    TickleError
        If any part of it is in training mode, where batch norm and dropout mix or drop what
        single images give.
    """
    parallel = nn.DataParallel | nn.parallel.DistributedDataParallel
    while isinstance(network, parallel) or "_orig_mod" in network._modules:
        inner = "module" if isinstance(network, parallel) else "_orig_mod"
        network = network.get_submodule(inner)
    training = [name or "the network" for name, m in network.named_modules() if m.training]
    if training:
        raise TickleError(f"{training[0]} is in training mode; call .eval() on the network first")
    return network


def _with_stand_in(tail: fx.GraphModule, image_shape: torch.Size) -> Callable[..., torch.Tensor]:
    """Give the tail something of the images' shape to ask; it has one element of memory, NaN."""

    def run(acts: torch.Tensor, inputs: torch.Tensor | None = None) -> torch.Tensor:
        return tail(acts, acts.new_full((), torch.nan).expand(len(acts), *image_shape))

    return run


def _substituting(network: nn.Module, layer: str) -> Callable[..., torch.Tensor]:
    module = network.get_submodule(layer)

    def run(acts: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        handle = module.register_forward_hook(lambda *_: acts)
        try:
            return network(inputs)
        finally:
            handle.remove()

    return run


def _observe(
    network: nn.Module, layer: str, example: torch.Tensor
) -> tuple[torch.Size, torch.Tensor]:
    """Shape of the layer's output for one image, and the example's logits (N, classes)."""
    modules = dict(network.named_modules())
    if not layer or layer not in modules:
        raise TickleError(f"the model has no layer {layer!r}; `python -m stages.model --layers`")
    outputs: list[object] = []
    handle = modules[layer].register_forward_hook(lambda *call: outputs.append(call[-1]))
    try:
        with torch.no_grad():
            logits = network(example)
    finally:
        handle.remove()
    if len(outputs) != 1:
        raise TickleError(
            f"layer {layer} is called {len(outputs)} times in a forward pass; choose a module that "
            "is called once"
        )
    if not isinstance(outputs[0], torch.Tensor):
        raise TickleError(f"layer {layer} does not return one tensor; choose another")
    return outputs[0].shape[1:], logits
