"""Every file that a stage reads of what others made: damaged or gone, it is named."""

import shutil
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tickle_core import arrays, checksums, intact, pipeline_file
from tickle_core.errors import TickleError

pytestmark = pytest.mark.pipeline

LAYERS = ("middle", "late")
SMALL_ARRAY = 2**24  # bytes, that are read whole


def read(path: Path, output: Path) -> None:
    """As a stage does: first the checksums, then the rows of arrays."""
    intact.require(path, output)
    for found in sorted(output.rglob("zarr.json")):
        array = arrays.open_complete(found.parent)
        if array.nbytes < SMALL_ARRAY:
            arrays.read_rows(array, 0, array.shape[0])


def outputs():
    for stage, definition in pipeline_file.stages().items():
        for alias in LAYERS if "foreach" in definition else [None]:
            yield from pipeline_file.inputs(stage, alias, LAYERS)


def files_of(output):
    return sorted(path for path in output.rglob("*") if path.is_file()) or [output]


def test_every_file_that_a_stage_reads_is_named_when_it_is_damaged(project, monkeypatch):
    monkeypatch.chdir(project.path)
    walked = 0
    # Parts of an output are read as all of it is here.
    for output in dict.fromkeys(output for _, output in outputs()):
        if output == Path("data/check.txt"):
            continue  # it says nothing, and nothing is made of it
        read(output, output)
        for path in files_of(output):
            content = path.read_bytes()
            flipped = bytearray(content)
            flipped[len(content) // 2] ^= 4
            for damaged in (flipped, content[: len(content) * 2 // 3], b"", None):
                if damaged is None:
                    path.unlink()
                else:
                    path.write_bytes(damaged)
                with pytest.raises(TickleError) as raised:
                    read(output, output)
                message = str(raised.value)
                # Of a damaged list the files are in doubt that it names.
                named = output if path.name == checksums.SUMS else path
                assert str(named) in message or str(output / checksums.SUMS) in message
                assert "\n" not in message and "dvc" in message
            path.write_bytes(content)
            walked += 1
    assert walked > 100


def test_all_that_is_made_for_others_is_walked(project, monkeypatch):
    """Everything in data/ and the metrics, but for what the stages before them leave to DVC."""
    monkeypatch.chdir(project.path)
    read_by_stages = {output for _, output in outputs()}
    for name in project.outputs():
        path = Path(name)
        if path.is_relative_to("data/raw") or path.parts[1] in ("checkpoints", "concepts"):
            continue
        if path.is_relative_to("data") or path.is_relative_to("reports/metrics"):
            alone = path in map(Path, ("data/code.json", "reports/metrics/summary.json"))
            assert alone or any(path.is_relative_to(output) for output in read_by_stages), name


@pytest.mark.parametrize(
    ("stage", "name"),
    [
        (("circuits", "late"), "data/model/weights.safetensors"),
        (("circuits", "late"), "data/sae/late/weights.safetensors"),
        (("report",), "data/probes/late/classes.parquet"),
        (("metrics",), "reports/metrics/probes/late.json"),
    ],
)
def test_a_stage_refuses_a_flipped_byte_in_one_line(project, stage, name):
    path = project.path / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    process = project.start(*stage[1:], module=f"stages.{stage[0]}")
    printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert f"{name} is damaged" in printed
    assert "Traceback" not in printed


def test_a_table_that_is_gone_is_named(project):
    shutil.rmtree(project.path / "data/concept_vectors/late")
    process = project.start(module="stages.report")
    printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "data/concept_vectors/late is missing" in printed
