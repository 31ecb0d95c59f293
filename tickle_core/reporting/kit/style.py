"""How every figure looks.

Colours are those of Okabe & Ito (2008), which stay apart for colour-blind readers. They stand for
roles, the same in every figure: what was measured, what it is held against, what chance gives.
"""

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import matplotlib
import noto_cjk_sans_otc
from matplotlib import font_manager

MEASURED = "#0072B2"
CONTROL = "#D55E00"
NULL = "#767676"
INK = "#222222"

SEQUENTIAL = "viridis"  # for values, and for layers in their order
WIDTH = 7.0  # inches: the text width of a page
LONGEST_LABEL = 24  # characters
# The second one is asked for what the first one lacks: Chinese, Japanese, Korean.
FONTS = ("DejaVu Sans", "Noto Sans CJK SC")

STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": NULL,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "axes.unicode_minus": True,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "font.family": FONTS,
    "font.size": 9,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "lines.markersize": 5,
    "pdf.fonttype": 42,  # TrueType: journals refuse Type 3
    "savefig.facecolor": "none",
    "svg.fonttype": "path",
    "svg.hashsalt": "tickle",
    "text.color": INK,
    # Names come from data: a dollar sign in one of them is no formula.
    "text.parse_math": False,
    "xtick.color": INK,
    "xtick.labelsize": 8,
    "xtick.major.width": 0.6,
    "ytick.color": INK,
    "ytick.labelsize": 8,
    "ytick.major.width": 0.6,
    "ytick.minor.size": 0,
}


@contextmanager
def fixed_style() -> Iterator[None]:
    """Draw in the style of this project, whatever matplotlibrc the machine has."""
    _add_font()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def layer_colors(count: int) -> list[tuple[float, ...]]:
    """One colour per layer, from dark to light in the order of the layers."""
    scale = matplotlib.colormaps[SEQUENTIAL]
    # The lightest end of the scale is too faint for a line.
    return [scale(0.85 * step / max(1, count - 1)) for step in range(count)]


def short(label: str) -> str:
    """A label that can be drawn, and is cut where it would crowd out the figure."""
    drawn = "".join(map(_drawn, label))
    return drawn if len(drawn) <= LONGEST_LABEL else drawn[: LONGEST_LABEL - 1] + "…"


@cache
def _add_font() -> None:
    font_manager.fontManager.addfont(str(noto_cjk_sans_otc.FONT_PATH))


@cache
def _drawn(letter: str) -> str:
    """A letter; where no font has it, the name of a symbol (an emoji, say), or its number."""
    _add_font()
    for family in FONTS:
        font = font_manager.get_font(font_manager.findfont(family))
        if font.get_char_index(ord(letter)):
            return letter
    if unicodedata.category(letter).startswith("S"):
        return f"[{unicodedata.name(letter).lower()}]"
    return f"[U+{ord(letter):04X}]"
