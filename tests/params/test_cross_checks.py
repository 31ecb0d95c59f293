"""Blocks of params.yaml that do not fit together are refused."""

import pytest

from tests.params.refusals import assert_refused, changed


@pytest.mark.parametrize(
    ("place", "value", "parts"),
    [
        ("sae.layers", {"lat": {"k": 4}}, ["sae.layers.lat", "did you mean 'late'?"]),
        ("report.latents", 25, ["report.latents is 25", "sae.heat_maps"]),
        ("extract.test_images", 19, ["dimension.blocks is 20", "only 19 images"]),
        ("layers", {"late": "layer3", "again": "layer3"}, ["layers.again", "layers.late"]),
        ("report.headline_layer", "nope", ["report.headline_layer", "nope", "early, late, middle"]),
        ("attribution.anchors", 20, ["attribution.images is 48", "attribution.anchors"]),
        ("report.images_per_latent", 999, ["report.images_per_latent", "sae.top_images"]),
    ],
)
def test_what_does_not_fit_together_is_refused(values, place, value, parts):
    assert_refused(changed(values, place, value), *parts)
