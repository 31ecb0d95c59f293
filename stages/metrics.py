"""Gather the headline numbers in one flat file, which `dvc exp show` reads."""

from pathlib import Path

from tickle_core import stage
from tickle_core.reporting import summary
from tickle_core.results import write_json


def main(run: stage.Run) -> None:
    numbers = summary.headline(Path("reports/metrics"), run.params.report.headline_layer)
    write_json(
        run.output("reports/metrics/summary.json"),
        {name: number["value"] for name, number in numbers.items()},
    )


if __name__ == "__main__":
    stage.enter("metrics", main)
