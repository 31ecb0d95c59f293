"""Every stage on models that are not like the default: a headless transformer, one logit."""

import json
import shutil

import pytest
import torch

from tests.pipeline.conftest import CONCEPTS, SMALL, draw_shapes

pytestmark = pytest.mark.pipeline

# A user's module. The transformer puts two tokens before its patches, and gives features.
CODE = """
import torch
from torch import nn


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(1, 16, 4, stride=4)
        self.more = nn.Parameter(torch.randn(1, 2, 16))
        self.places = nn.Parameter(torch.randn(1, 51, 16))
        self.blocks = nn.Sequential(*(Block() for _ in range(2)))
        self.norm = nn.LayerNorm(16)

    def forward(self, x):
        x = self.patches(x).flatten(2).mT
        x = torch.cat([self.more.expand(x.shape[0], -1, -1), x], 1) + self.places
        return self.norm(self.blocks(x)).mean(1)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(16), nn.MultiheadAttention(16, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.LayerNorm(16), nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))

    def forward(self, x):
        y = self.norm(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(x)


class OneLogit(nn.Module):
    def __init__(self):
        super().__init__()
        self.early = nn.Sequential(nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.ReLU())
        self.late = nn.Sequential(nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU())
        self.fc = nn.Linear(16, 1)

    def forward(self, x):
        return self.fc(self.late(self.early(x)).mean((2, 3))).squeeze(1)
"""
CHECKPOINT = {
    "source": "checkpoint",
    "file": "mine.pt",
    "arguments": {},
    "state": None,
    "class_names": None,
    "prefix": None,
    "mean": [0.5],
    "std": [0.5],
}


def prepare(project, network, layers, classes, **model):
    """Images of these classes, code, random weights and params, all of them the user's."""
    draw_shapes(project.path / "shapes")
    for folder in (project.path / "shapes").iterdir():
        if folder.name not in classes:
            shutil.rmtree(folder)
    (project.path / "data/concepts/shapes.yaml").write_text(CONCEPTS)
    (project.path / "data/checkpoints/mine.py").write_text(CODE)
    names: dict = {}
    exec(CODE, names)
    torch.manual_seed(0)
    torch.save(names[network]().state_dict(), project.path / "data/checkpoints/mine.pt")

    def change(values):
        for section, changes in SMALL.items():
            if section == "dataset":
                values[section] = changes
            elif section != "model":
                values[section].update(changes)
        values["model"] = CHECKPOINT | {"architecture": f"mine:{network}"} | model
        values["layers"] = layers
        values["report"]["headline_layer"] = "late"

    project.edit_params(change)


def read(project):
    """The model's card and the page."""
    card = json.loads((project.path / "data/model/card.json").read_text())
    return card, (project.path / "reports/index.html").read_text()


TRANSFORMER = {
    "network": "Transformer",
    "layers": {"early": "blocks.0", "late": "blocks.1"},
    "classes": ("disk", "square", "stripes"),
    "head": "probe",
    "threshold": None,
}


def test_a_transformer_without_a_head(new_project):
    prepare(new_project, **TRANSFORMER)
    new_project.run_all()
    card, page = read(new_project)
    assert card["class_names"] == ["disk", "square", "stripes"]
    assert card["accuracy"]["value"] > 0.5
    assert card["head"]["control"]["interval"][0] < 1 / 3
    assert card["layers"]["blocks.1"]["prefix"] == ["class", "register"]
    assert card["layers"]["blocks.1"]["grid"] == [7, 7]
    assert "a linear one (tickle_head) was fitted" in page
    assert "tokens that were taken for class, register" in page


def test_one_logit(new_project):
    prepare(
        new_project,
        network="OneLogit",
        layers={"early": "early", "late": "late"},
        classes=("disk", "square"),
        head="own",
        threshold=0.4,
    )
    new_project.run_all()
    card, page = read(new_project)
    assert card["class_names"] == ["disk", "square"]
    assert card["architecture"]["adapters"][0]["kind"] == "one_logit"
    assert "What the layers of" in page


def test_code_that_computes_something_else_redoes_what_follows(new_project):
    """With the same weights; a comment redoes nothing but the model itself, and its check."""
    prepare(new_project, **TRANSFORMER)
    before = {"check", "model"}
    assert new_project.repro("extract@late") == before | {"fingerprint", "dataset", "extract@late"}
    new_project.edit_text("data/checkpoints/mine.py", "import torch\n", "import torch  # 2\n")
    assert new_project.repro("extract@late") == before
    new_project.edit_text("data/checkpoints/mine.py", "return x + self.mlp(x)", "return x")
    assert new_project.repro("extract@late") == before | {"extract@late"}
