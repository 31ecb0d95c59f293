"""The headline number of attribution: how far attributions are from adding up."""

from typing import Any

from tickle_core.reporting.kit.headline import Headline


def _residual(metrics: dict[str, Any]) -> dict[str, Any]:
    return metrics["residual"]


HEADLINES = (
    Headline(
        "attribution_residual",
        "Attribution residual",
        "integrated gradients from a black image: |sum of attributions - change of the logit|, in "
        "parts of the change, median over images",
        "",
        4,
        _residual,
    ),
)
