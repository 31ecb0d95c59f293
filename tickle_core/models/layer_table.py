"""The layers of a model as a table in the terminal, to choose from."""

from typing import Any

HEADINGS = ("layer", "shape", "tail's share", "clean cut")


def table(layers: dict[str, Any]) -> str:
    """One line per candidate layer, in module order.

    A clean cut is a layer that everything behind it can be computed from; the tail's share is
    that of the whole forward pass's cost which lies behind it.
    """
    rows = [HEADINGS]
    for module, layer in layers.items():
        shape = " x ".join(str(side) for side in layer["shape"])
        share = f"{layer['tail_share']:.1%}"
        # Why a layer is no clean cut is a sentence: it goes last, where it may be long.
        cut = "yes" if layer["clean_cut"] else f"no: {layer['obstacle']}"
        rows.append((module, f"{shape} {layer['layout']}", share, cut))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        f"{module:<{widths[0]}}  {shape:<{widths[1]}}  {share:>{widths[2]}}  {cut}"
        for module, shape, share, cut in rows
    )
