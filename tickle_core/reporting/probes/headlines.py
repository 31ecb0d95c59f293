"""The headline numbers of linear probes, on activations pooled over patches."""

from typing import Any

from tickle_core.reporting.kit.headline import Headline, without_null


def _accuracy(metrics: dict[str, Any]) -> dict[str, Any]:
    return metrics["pooled"]["patch"]["accuracy"]


def _chance(metrics: dict[str, Any]) -> dict[str, Any]:
    return without_null(metrics["pooled"]["patch"]["majority"], "it is itself a null")


def _selectivity(metrics: dict[str, Any]) -> dict[str, Any]:
    return metrics["pooled"]["patch"]["selectivity"]


HEADLINES = (
    Headline(
        "probe_accuracy",
        "Probe accuracy",
        "share of held-out images whose class a linear probe reads from the pooled layer",
        "mean accuracy after training on shuffled labels",
        3,
        _accuracy,
    ),
    Headline(
        "probe_chance",
        "Probe chance",
        "the same share for always guessing the most frequent class",
        "",
        3,
        _chance,
    ),
    Headline(
        "probe_selectivity",
        "Probe selectivity",
        "probe accuracy minus the mean accuracy on control tasks with random labels of clusters",
        "the same difference where the labels of both were shuffled",
        3,
        _selectivity,
    ),
)
