"""Gather the headline numbers in one flat file, which `dvc exp show` reads."""

from pathlib import Path

from tickle_core import stage
from tickle_core.reporting import headlines
from tickle_core.results import write_json


def main(run: stage.Run) -> None:
    numbers = headlines.read(Path("reports/metrics"), run.params.report.headline_layer)
    write_json(
        run.output("reports/metrics/summary.json"),
        {headline.key: number["value"] for headline, number in numbers.items()},
    )


if __name__ == "__main__":
    stage.enter("metrics", main)
