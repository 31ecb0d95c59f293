"""A network's graph around one layer, and what of it reaches the logits past that layer."""

import inspect
from dataclasses import dataclass

from torch import fx, nn

METADATA = {"shape", "dtype", "device", "ndim"}
METADATA_METHODS = {"size", "dim", "ndimension", "numel", "is_floating_point"}


@dataclass(frozen=True)
class Cut:
    """A network's graph, as seen from one layer.

    Attributes
    ----------
    graph
        Of the network and the modules that contain the layer.
    images, layer
        The nodes of the input and of the layer. Only with a graph.
    past
        Nodes that need the images otherwise than through the layer.
    obstacle
        Why the layer is no clean cut, "" if it is one.
    """

    graph: fx.Graph
    images: fx.Node | None = None
    layer: fx.Node | None = None
    past: frozenset[fx.Node] = frozenset()
    obstacle: str = ""


def find_cut(network: nn.Module, layer: str) -> Cut:
    """Trace a network around a layer and see what reaches the logits past it."""
    try:
        graph = _Tracer(layer).trace(network, _defaults(network))
    except Exception as error:  # whatever the network's own code makes of symbolic values
        reason = str(error).partition("\n")[0].rstrip(".")
        return Cut(fx.Graph(), obstacle=f"torch.fx cannot trace what contains it: {reason}")
    images = next(node for node in graph.nodes if node.op == "placeholder")
    nodes = [n for n in graph.nodes if n.op == "call_module" and n.target == layer]
    if len(nodes) != 1:
        return Cut(graph, obstacle="it is not called where torch.fx can see it")
    past = _depending_on(graph, images, nodes[0])
    *_, output = graph.nodes
    obstacle = _obstacle(graph, nodes[0], past) if output in past else ""
    return Cut(graph, images, nodes[0], frozenset(past), obstacle)


def head_of(network: nn.Module, cut: Cut) -> fx.GraphModule:
    """Images -> the layer's output: all that runs up to the layer."""
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in cut.graph.nodes:
        copied = copies[node] = graph.node_copy(node, copies.__getitem__)
        if node is cut.layer:
            graph.output(copied)
            break
    return fx.GraphModule(network, graph, "Head")


def tail_of(network: nn.Module, cut: Cut) -> fx.GraphModule:
    """(the layer's output, anything of the images' shape) -> logits, for a clean cut.

    Of what runs before the layer it keeps what does not need the images: parameters, and what is
    computed from them or from the images' shape.
    """
    graph = fx.Graph()
    copies = {cut.layer: graph.placeholder("acts"), cut.images: graph.placeholder("images")}

    def copy(node: fx.Node) -> fx.Node:
        if node not in copies:
            for needed in node.all_input_nodes:
                copy(needed)
            copies[node] = graph.node_copy(node, copies.__getitem__)
        return copies[node]

    # All that runs after the layer, not only what the logits use by name: a statement may change
    # a tensor in place.
    nodes = list(cut.graph.nodes)
    for node in nodes[nodes.index(cut.layer) + 1 :]:
        if node not in cut.past:
            copy(node)
    return fx.GraphModule(network, graph, "Tail")


class _Tracer(fx.Tracer):
    """Looks into the modules that contain a layer, and into no other."""

    def __init__(self, layer: str):
        super().__init__()
        self.layer = layer

    def is_leaf_module(self, module: nn.Module, path: str) -> bool:
        return not self.layer.startswith(path + ".")


def _defaults(network: nn.Module) -> dict[str, object]:
    """What `forward` takes besides the images, at its defaults."""
    _, *others = inspect.signature(network.forward).parameters.values()
    return {p.name: p.default for p in others if p.default is not p.empty}


def _depending_on(graph: fx.Graph, source: fx.Node, barrier: fx.Node | None = None) -> set[fx.Node]:
    """The nodes that need the content of `source`, other than through `barrier`."""
    found = {source}
    for node in graph.nodes:
        reads = found.intersection(node.all_input_nodes)
        if node is barrier or not reads or (reads == {source} and _reads_metadata(node)):
            continue
        found.add(node)
        if _writes_in_place(node):
            found.add(node.args[0])
    return found


def _reads_metadata(node: fx.Node) -> bool:
    if node.op == "call_method":
        return node.target in METADATA_METHODS
    return node.target is getattr and node.args[1] in METADATA


def _writes_in_place(node: fx.Node) -> bool:
    """Whether it is a call such as `x.add_(y)`, whose result may be used under the name `x`."""
    return node.op == "call_method" and str(node.target).endswith("_")


def _obstacle(graph: fx.Graph, layer: fx.Node, past: set[fx.Node]) -> str:
    """Which node reaches the logits past the layer, and where it joins what the layer gave."""
    behind = _depending_on(graph, layer)
    for node in graph.nodes:
        others = [n for n in node.all_input_nodes if n in past and n not in behind]
        if others and node in behind and node is not layer:
            return f"{_name(others[0])} reaches the logits past it, through {_name(node)}"
    return "the logits do not depend on it"


def _name(node: fx.Node) -> str:
    if node.op == "placeholder":
        return "the image"
    if node.op == "call_module":
        return str(node.target)
    function = node.target if isinstance(node.target, str) else node.target.__name__
    callers = [path for path, _ in node.meta.get("nn_module_stack", {}).values()]
    return f"{function} in {callers[-1] if callers else 'the network itself'}"
