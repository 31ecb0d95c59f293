"""A full disk is an error of the system wherever weights are written, and not one of a library."""

import errno
import sys

import pytest
import torch

from tickle_core.dictionaries import checkpoint, sae, saelens
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.models import classifier
from tickle_core.models.classifier import Classifier

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="has no /dev/full")

MODEL = Classifier(torch.nn.Linear(300, 300), {}, torch.device("cpu"))
DICTIONARY = SparseAutoencoder(64, 512, "topk", 4)


@pytest.mark.parametrize(
    ("save", "name"),
    [
        (lambda folder: classifier.save(MODEL, folder), classifier.WEIGHTS),
        (lambda folder: sae.save(DICTIONARY, folder), sae.WEIGHTS),
        (lambda folder: saelens.export_saelens(DICTIONARY, folder), saelens.WEIGHTS),
        (
            lambda folder: checkpoint.save(folder, {"weights": torch.zeros(100_000)}),
            f"{checkpoint.FILE}.partial",
        ),
    ],
    ids=["model", "autoencoder", "SAELens", "unfinished training"],
)
def test_no_space_is_said(tmp_path, save, name):
    (tmp_path / name).symlink_to("/dev/full")
    with pytest.raises(OSError) as raised:
        save(tmp_path)
    assert raised.value.errno == errno.ENOSPC
