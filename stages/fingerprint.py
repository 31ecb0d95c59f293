"""Write the fingerprint of every stage's code: data/code.json."""

from pathlib import Path

from tickle_core import fingerprint, stage
from tickle_core.results import write_json


def main(run: stage.Run) -> None:
    root = Path()
    hashes = {name: fingerprint.fingerprint(name, root) for name in fingerprint.stage_names(root)}
    write_json(run.output("data/code.json"), hashes)


if __name__ == "__main__":
    stage.enter("fingerprint", main)
