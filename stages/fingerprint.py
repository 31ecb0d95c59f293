"""Write the fingerprint of every stage's code: data/code.json."""

from pathlib import Path

from tickle_core import fingerprint, stage
from tickle_core.results import write_json


def main(run: stage.Run) -> None:
    write_json(run.output("data/code.json"), fingerprint.fingerprints(Path()))


if __name__ == "__main__":
    stage.enter("fingerprint", main)
