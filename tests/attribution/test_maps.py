"""Maps: an independent library, completeness, and a network of which the answer is known."""

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients, LayerGradCam, Saliency

from tests.attribution.conftest import SETTINGS
from tickle_core.attribution import maps, paths


def corner(class_index):
    """Where the known network's logit reads."""
    mask = np.zeros((28, 28), bool)
    top, left = ((0, 0), (0, 14), (14, 0))[class_index]
    mask[top : top + 14, left : left + 14] = True
    return mask


@pytest.fixture(scope="module")
def of_known(known, blank):
    return maps.of_pixels(known, blank, SETTINGS, 0)


def test_every_map_of_a_linear_network_lies_where_it_reads(known, of_known):
    for name, each in of_known.items():
        if name == maps.UNTRAINED:
            continue
        for row in range(len(known.ids)):
            outside = ~corner(int(known.classes[row]))
            assert np.abs(each.values[row][outside]).max() < 1e-4, name


def test_integrated_gradients_of_a_linear_network_are_weight_times_difference(known, of_known):
    each = of_known["ig_zero"]
    black = paths.black(known.classifier, known.images)
    expected = (known.inputs - black)[:, 0].numpy() * 8 / 196
    for row in range(len(known.ids)):
        where = corner(int(known.classes[row]))
        np.testing.assert_allclose(each.values[row][where], expected[row][where], rtol=1e-3)
    assert (each.steps == 8).all() and (each.residual < 1e-4).all()


def test_gradients_are_captum_s(subject):
    found = maps.gradient(subject, subject.network)
    expected = Saliency(subject.classifier.network).attribute(
        subject.inputs.clone(), target=subject.classes
    )
    np.testing.assert_allclose(found.values, expected.sum(1).detach().numpy(), rtol=1e-3, atol=1e-5)


def test_integrated_gradients_are_captum_s_at_as_many_steps(subject):
    found = maps.integrated_from_black(subject, subject.network, SETTINGS)
    black = paths.black(subject.classifier, subject.images).expand_as(subject.inputs)
    captum = IntegratedGradients(subject.classifier.network)
    for steps in np.unique(found.steps):
        rows = np.flatnonzero(found.steps == steps)[:3]
        expected = captum.attribute(
            subject.inputs[rows].clone(),
            black[rows],
            target=subject.classes[rows],
            n_steps=int(steps),
            method="riemann_middle",
        )
        np.testing.assert_allclose(
            found.values[rows], expected.sum(1).detach().numpy(), rtol=1e-3, atol=1e-4
        )


def test_grad_cam_is_captum_s(subject, layer):
    """From stored activations and the tail, or from the whole network while it runs."""
    found = maps.of_layer(subject, layer, "layer2", SETTINGS)["cam"]
    network = subject.classifier.network
    # Captum cannot look at gradients of what is overwritten; nothing is here.
    expected = LayerGradCam(network, network.layer2).attribute(
        subject.inputs.clone(), target=subject.classes, relu_attributions=True
    )
    expected = expected[:, 0].detach().numpy()
    np.testing.assert_allclose(found.values, expected, rtol=1e-3, atol=1e-4)
    running = maps.cam_of(subject, subject.classifier, "layer2", layer.store)
    np.testing.assert_allclose(running.values, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_every_path_adds_up_to_what_its_residual_says(subject, blank, layer, held_out):
    acts = layer.store.pooled()[held_out]
    found = maps.of_pixels(subject, blank, SETTINGS, 0)
    found |= maps.of_chains(subject, held_out, acts, SETTINGS, 0)
    found["layer"] = maps.of_layer(subject, layer, "layer2", SETTINGS)["layer"]
    integrals = {name: each for name, each in found.items() if each.residual is not None}
    assert {"ig_blur", "blur_path", "chain", "random_chain", "untrained", "layer"} <= set(integrals)
    for name, each in integrals.items():
        assert np.isfinite(each.residual).all(), name
        assert ((each.residual <= SETTINGS.tolerance) | (each.steps >= SETTINGS.most_steps)).all()
    # Layer maps leave nothing out: there are patches alone.
    with torch.no_grad():
        blackened = paths.black(subject.classifier, subject.images).expand_as(subject.inputs)
        ends = [subject.logit(points, torch.arange(40)) for points in (subject.inputs, blackened)]
    change = (ends[0] - ends[1]).numpy()
    for name in ("ig_zero", "layer"):
        np.testing.assert_allclose(
            integrals[name].values.sum((1, 2)),
            change,
            atol=float(integrals[name].residual.max() * np.abs(change).max() + 1e-3),
        )


def test_chains_start_at_one_image_and_their_maps_are_of_those_that_have_one(
    subject, layer, held_out
):
    acts = layer.store.pooled()[held_out]
    found = maps.of_chains(subject, held_out, acts, SETTINGS, 0)
    assert set(found) == {"chain", "random_chain"}
    assert np.array_equal(found["chain"].rows, found["random_chain"].rows)
    assert 30 < len(found["chain"].rows) < 40  # not the image that all start from


def test_a_layer_without_a_grid_has_no_map(subject, layer):
    class NoGrid:
        grid = None

    without = maps.Layer(layer.splice, NoGrid(), layer.rows)
    assert maps.of_layer(subject, without, "layer2", SETTINGS) == {}
