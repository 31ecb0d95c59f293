"""Which images measure, rank and judge units."""

import numpy as np
import torch

from tickle_core.circuits import analysis


def test_halves_share_no_image_and_have_as_many_of_each_class(layer_of):
    classes = torch.arange(200) // 2 % 5
    tokens = torch.nn.functional.one_hot(classes, 5).float()[:, None]
    store, _ = layer_of(tokens, lambda acts: acts[:, 0])
    ranking, judging = analysis._halves(store, 60, 0)
    assert len(ranking) == len(judging) == 30
    assert len(np.intersect1d(ranking, judging)) == 0
    for rows in (ranking, judging):
        assert (np.diff(rows) > 0).all() and store.is_test[rows].all()
        assert np.bincount(store.predictions(rows)).tolist() == [6] * 5
