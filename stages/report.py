"""Write the report: a page to explore, with its figures, tables and curves."""

from pathlib import Path

from tickle_core import stage
from tickle_core.reporting import context
from tickle_core.reporting.site import page


def main(run: stage.Run) -> None:
    page.write(
        context.read(Path("data"), Path("reports/metrics"), run.params),
        run.output("reports/index.html"),
        run.output_directory("reports/figures"),
        run.output_directory("reports/tables"),
        run.output_directory("reports/plots"),
    )


if __name__ == "__main__":
    stage.enter("report", main)
