"""A small pipeline in a temporary folder: the real stages on a few hundred drawn shapes."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image, ImageDraw
from ruamel.yaml import YAML

from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
PARTS = (
    ".dvc/config",
    ".dvc/.gitignore",
    ".dvc/plots/by_layer.json",
    ".dvc/plots/by_layer_log.json",
    ".dvcignore",
    ".gitignore",
    "data/checkpoints/README.md",
    "data/concepts/any_images.yaml",
    "data/concepts/fashion_mnist.yaml",
    "data/concepts/imagenet.yaml",
    "dvc.yaml",
    "params.yaml",
    "requirements.lock",
)
PER_CLASS = 200

SMALL = {
    "dataset": {
        "source": "folder",
        "folder": "shapes",
        "resize": 28,
        "image_size": 28,
        "interpolation": "bicubic",
        "color": "grey",
        "test_share": 0.25,
        "damaged": "refuse",
        "split": "content",
        "near_copies": "note",
        "range_16bit": [0, 65535],
    },
    "model": {"epochs": 1, "batch_size": 64},
    "layers": {"middle": "layer2", "late": "layer3"},
    # Small batches and shards: many moments at which to break off.
    "extract": {"train_images": None, "test_images": None, "batch_size": 2, "shard_mib": 1},
    "sae": {
        "latents": 64,
        "k": 4,
        "layers": {},
        "seeds": 2,
        "companions": {"k2": {"k": 2}, "k1": {"k": 1}},
        "tokens": 4096,
        "batch_size": 256,
        "top_images": 4,
    },
    "probes": {
        "train_images": 200,
        "strengths": [0.1],
        "control_clusters": 8,
        "control_draws": 2,
        "shuffles": 2,
    },
    "features": {
        "steps": 4,
        "channels": 2,
        "neurons": 1,
        "latents": 2,
        "logits": 1,
        "natural": 2,
        "noise": 2,
    },
    "circuits": {
        "images": 40,
        "units": 4,
        "directions": 4,
        "band_draws": 2,
        "null_draws": 24,
        "pairs": 2,
        "traces": 4,
        "sites": 4,
        "examples": 1,
    },
    "concepts": {
        "sets": "shapes",
        "images": 30,
        "pool": 300,
        "partners": 10,
        "random_sets": 20,
        "class_images": 20,
        "path_images": 2,
        "shown": 2,
    },
    "flow": {"examples": 2},
    "attribution": {
        "images": 6,
        "most_steps": 16,
        "anchors": 40,
        "cells": 4,
        "removals": 4,
        "randomised_images": 4,
        "shown": 2,
    },
    "neighbours": {"count": 64},
    "dimension": {"blocks": 5, "draws": 3, "gaussians": 2},
    "curvature": {"others": [5], "sources": 20, "groups": 4, "draws": 2, "shown": 1},
    "connectedness": {"pairs": 3, "points": 4, "draws": 2, "shown": 1},
    "projections": {"images": 60, "neighbours": 5, "draws": 2},
    "atlas": {
        "images": 60,
        "clusters": [2, 4],
        "resamples": 2,
        "draws": 2,
        "steps": 2,
        "shown": 2,
    },
    "fractures": {"points": 40, "neighbours": 6, "draws": 5, "latents": 2, "shown": 1, "images": 2},
    "attack": {
        "images": 60,
        "linf": [0.2],
        "l2": [2.0],
        "studied": {"norm": "linf", "eps": 0.2},
        "steps": 3,
        "restarts": 0,
        "noise_draws": 2,
        "shown": 2,
    },
    "delta": {
        "images": 24,
        "steps": 2,
        "restored": 4,
        "draws": 2,
        "latents": 2,
        "picture_steps": 2,
        "shown": 2,
    },
    "path": {"pairs": 3, "segments": 8, "steps": 2, "shown": 1},
    "report": {"latents": 2, "images_per_latent": 3},
}


CONCEPTS = """
round: {classes: [disk]}
dark: {pixels: dark}
striped: {texture: striped}
noise: {texture: noise}
"""


# All stages, one after the other, in a process that imports but once: what they make, without DVC.
RUN = """
import runpy, sys
from tickle_core import pipeline_file
from tickle_core.params import reading
for name, stage in pipeline_file.stages().items():
    for alias in reading.load().layers if "foreach" in stage else [None]:
        sys.argv = [name, *([alias] if alias else [])]
        try:
            runpy.run_module(f"stages.{name}", run_name="__main__")
        except SystemExit as end:
            if end.code:
                sys.exit(f"{name} {alias}: {end.code}")
"""


@dataclass(frozen=True)
class Project:
    """A folder with a pipeline in it."""

    path: Path

    @property
    def lock(self) -> str:
        """What DVC recorded."""
        return (self.path / "dvc.lock").read_text()

    def start(self, *arguments: str, module: str = "dvc") -> subprocess.Popen:
        """Start dvc, or another module, in a session of its own, with output to a pipe."""
        return self._start("-m", module, *arguments)

    def _start(self, *arguments: str) -> subprocess.Popen:
        environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.path),
        }
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def dvc(self, *arguments: str, module: str = "dvc") -> str:
        """Run dvc, or another module, to a good end and return what it printed."""
        process = self.start(*arguments, module=module)
        printed, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, printed
        return printed

    def repro(self, *arguments: str) -> set[str]:
        """`dvc repro`; the stages that ran."""
        return ran(self.dvc("repro", *arguments))

    def run_all(self) -> None:
        """Run every stage, without DVC, which takes far less time."""
        process = self._start("-c", RUN)
        printed, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, printed

    def edit_params(self, change) -> None:
        """Apply `change` to the values of params.yaml."""
        yaml = YAML()
        path = self.path / "params.yaml"
        values = yaml.load(path.read_text())
        change(values)
        with path.open("w") as file:
            yaml.dump(values, file)

    def edit_text(self, name: str, old: str, new: str) -> None:
        """Replace one place in a file."""
        path = self.path / name
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} in {name}"
        path.write_text(text.replace(old, new))

    def outputs(self) -> dict[str, str]:
        """Everything that the pipeline made: the hash of each file's content by its path."""
        files = [path for name in ("data", "reports") for path in (self.path / name).rglob("*")]
        return {
            path.relative_to(self.path).as_posix(): hashlib.md5(path.read_bytes()).hexdigest()
            for path in files
            if path.is_file()
        }

    def copy(self, path: Path) -> "Project":
        """The same project elsewhere, results and all."""
        shutil.copytree(self.path, path, symlinks=True)
        return Project(path)


def ran(printed: str) -> set[str]:
    """The stages that dvc's output says were run."""
    return set(re.findall(r"^Running stage '([^']+)'", printed, re.MULTILINE))


def draw_shapes(folder: Path) -> None:
    """Three classes of noisy shapes at random places."""
    rng = np.random.default_rng(0)
    for name in ("disk", "square", "stripes"):
        (folder / name).mkdir(parents=True)
        for i in range(PER_CLASS):
            image = Image.new("L", (28, 28), int(rng.integers(0, 60)))
            draw = ImageDraw.Draw(image)
            x, y, r = rng.integers(8, 20, 2).tolist() + [int(rng.integers(4, 8))]
            if name == "disk":
                draw.ellipse((x - r, y - r, x + r, y + r), fill=220)
            elif name == "square":
                draw.rectangle((x - r, y - r, x + r, y + r), fill=220)
            else:
                for row in range(y - r, y + r, 3):
                    draw.line((x - r, row, x + r, row), fill=220)
            noisy = np.asarray(image) + rng.normal(0, 15, (28, 28))
            Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / name / f"{i:03}.png")


def make(path: Path) -> Project:
    """A pipeline as a clone has it, without its history and images."""
    for name in PARTS:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, path / name)
    for package in ("presets", "stages", "tickle_core"):
        shutil.copytree(
            ROOT / package, path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "Start"]):
        identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost"]
        subprocess.run(["git", *identity, *command], cwd=path, check=True)
    return Project(path)


def _make_small(values) -> None:
    for section, changes in SMALL.items():
        if section in ("dataset", "layers"):
            values[section] = changes
        else:
            values[section].update(changes)


@pytest.fixture
def new_project(tmp_path) -> Project:
    """A pipeline as a clone has it."""
    return make(tmp_path / "project")


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Project:
    """A small pipeline that has run once; copy it before changing it.

    Parallel processes share it: the first one that asks makes it.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    path, done = base / "finished/project", base / "finished/done"
    done.parent.mkdir(exist_ok=True)
    with FileLock(base / "finished/lock"):
        if not done.is_file():
            project = make(path)
            draw_shapes(project.path / "shapes")
            (project.path / "data/concepts/shapes.yaml").write_text(CONCEPTS)
            project.edit_params(_make_small)
            project.repro()
            done.touch()
    return Project(path)


@pytest.fixture
def project(finished, tmp_path) -> Project:
    """A copy of the finished small pipeline."""
    return finished.copy(tmp_path / "project")
