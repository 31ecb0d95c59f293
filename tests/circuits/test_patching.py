"""Patching: identities, planted answers, and the same numbers from a hook on the whole network."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tickle_core.circuits import choosing, pairing, patching, plans
from tickle_core.circuits.plans import Layer
from tickle_core.circuits.sites import find_sites
from tickle_core.dictionaries.stream import Sample
from tickle_core.interventions.parts import CodedUnits, Positions, ReadUnits
from tickle_core.models import accuracy
from tickle_core.results import write_json

CPU = torch.device("cpu")
KINDS = ["layer", "positions", "channels", "latents", "direction"]
ALL = 0.9999  # a share that rounds to everything


def noise(*shape, seed=3):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def sample_of(store):
    tokens = torch.from_numpy(store.decode(store.tokens[:])).float().flatten(0, 1)
    mean = tokens.mean(0)
    return Sample(tokens, mean, (tokens - mean).square().sum(1).mean().sqrt())


def patch(layer, families, section):
    store, splice = layer
    units = families["channels"], families["latents"]
    return patching.patch(*units, sample_of(store), store, splice, section, 0)


@pytest.fixture
def judge(families_of):
    """Makes the plans of a layer, and judges them; pairs can be changed before."""

    def run(layer, section, change=lambda pairs: pairs):
        store, splice = layer
        images, choice, pairs = pairing.draw_halves(store, section.classes, section.pairs, 0)
        families = families_of(store.tokens.shape[2])
        units = families["channels"], families["latents"]
        made = plans.make_plans(
            Layer(*units, sample_of(store), store, splice, images), choice, section, 0
        )
        pairs = change(pairs)
        return made, images, pairs, patching.judge(made, store, splice, images, pairs)

    return run


@pytest.fixture
def batch(layers):
    """The pairs of the first cell."""
    store, splice = layers["layer2"]
    images, choice, _ = pairing.draw_halves(store, 3, 4, 0)
    return next(choosing.batches(store, splice, images, choice, "testing"))


@pytest.fixture
def parts(batch, families_of):
    """Each kind of part of which there are many."""
    latents = families_of(batch.target.shape[2])["latents"]
    codes: list[torch.Tensor] = [torch.empty(0)] * (1 + max(batch.donors + batch.targets))
    with torch.no_grad():
        for numbers, tokens in ((batch.donors, batch.donor), (batch.targets, batch.target)):
            for number, each in zip(numbers, tokens, strict=True):
                codes[number] = latents.sae.encode(each).to_sparse()
        return {
            "sites": Positions(find_sites(49, [], [7, 7], 16).masks(CPU)),
            "read": ReadUnits(F.normalize(noise(10, batch.target.shape[2]), dim=1)),
            "coded": CodedUnits(latents.directions, codes),
        }


@pytest.mark.parametrize("module", ["layer2", "layer2.0.conv1"])
def test_an_image_that_is_its_own_donor_changes_nothing(layers, judge, section, module):
    made, _, _, judged = judge(
        layers[module], section(), lambda pairs: replace(pairs, donor=pairs.target)
    )
    assert {plan.kind for plan in made} == set(KINDS)
    assert not judged.way.any() and not judged.difference.any()
    for key, outcome in judged.outcomes.items():
        moved, flipped, replaced = outcome.T
        np.testing.assert_allclose(moved, 0, atol=1e-4, err_msg=str(key))
        assert not flipped.any() and not replaced.any()


def test_the_whole_layer_gives_the_donors_logits(layers, judge, section):
    *_, judged = judge(layers["layer2"], section())
    moved, flipped, replaced = judged.mean("layer", "chosen").T
    np.testing.assert_allclose(moved, judged.way, rtol=1e-4)
    np.testing.assert_array_equal(replaced, judged.difference)
    assert (flipped == 1).all() and (judged.way > 0).all()


def test_where_the_layer_is_no_clean_cut_the_rest_comes_from_the_target(layers, judge, section):
    *_, judged = judge(layers["layer2.0.conv1"], section())
    assert np.abs(judged.mean("layer", "chosen")[:, 0] - judged.way).min() > 1e-3


def test_all_parts_are_the_layer_and_have_no_rival(layers, judge, section):
    *_, judged = judge(layers["layer2"], section(patched_share=ALL))
    np.testing.assert_allclose(judged.mean("positions", "chosen")[:, 0], judged.way, rtol=1e-4)
    np.testing.assert_allclose(judged.mean("channels", "chosen")[:, 0], judged.way, rtol=1e-3)
    # A basis is the layer too, whichever it is.
    np.testing.assert_allclose(judged.mean("channels", "random")[:, 0], judged.way, rtol=1e-3)
    for kind in ("positions", "channels", "latents"):
        assert not judged.draws(kind, "matched") and not judged.draws(kind, "best_case")


def test_all_latents_and_the_rest_that_they_leave_are_the_donor(batch, parts, families_of):
    coded = parts["coded"]
    made = coded.between(batch).patched(torch.ones(1, len(coded), dtype=torch.bool))
    sae = families_of(batch.target.shape[2])["latents"].sae
    with torch.no_grad():
        rest = [each - sae.decode(sae.encode(each)) for each in (batch.donor, batch.target)]
    assert float((rest[0] - rest[1]).norm()) > 1  # or there is nothing to show
    torch.testing.assert_close(made + rest[0] - rest[1], batch.donor, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["sites", "read", "coded"])
def test_screen_and_amount_are_those_of_each_part_alone(batch, parts, kind):
    changes = parts[kind].between(batch)
    screen, amounts = changes.screen(), changes.amounts()
    for part in range(len(parts[kind])):
        one = torch.zeros(1, len(parts[kind]), dtype=torch.bool)
        one[0, part] = True
        change = changes.patched(one) - batch.target
        first_order = (change * batch.gradient).sum((1, 2))
        torch.testing.assert_close(screen[:, part], first_order, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(
            amounts[:, part], change.square().sum((1, 2)), atol=1e-4, rtol=1e-3
        )


@pytest.mark.parametrize("kind", ["sites", "read", "coded"])
def test_no_part_changes_nothing(batch, parts, kind):
    none = torch.zeros(1, len(parts[kind]), dtype=torch.bool)
    torch.testing.assert_close(parts[kind].between(batch).patched(none), batch.target)


def test_a_unit_that_is_active_in_both_images_changes_by_the_difference(batch):
    """The codes of donor and target share a unit at the same token: 3 - 1 = 2, squared 4."""
    donor, target = (torch.zeros(49, 5) for _ in range(2))
    donor[7, 2], target[7, 2], target[8, 4] = 3, 1, 2
    width = batch.target.shape[2]
    coded = CodedUnits(torch.eye(5, width), [donor.to_sparse(), target.to_sparse()])
    one = replace(
        batch,
        donors=[0],
        targets=[1],
        donor=batch.donor[:1],
        target=batch.target[:1],
        gradient=batch.gradient[:1],
    )
    assert coded.between(one).amounts().tolist() == [[0, 0, 4, 0, 4]]
    assert coded.per_token() == 3 / 98


def planted(layer_of, classes=4, d=40, positions=9, images=400, logit=3.0):
    """Each class has a channel of its own, which decides its logit behind a tail that saturates."""
    label = torch.arange(images) // 2 % classes  # of held-out images and others alike
    tokens = 0.1 * noise(images, positions, d)
    tokens[torch.arange(images), :, label] += 2
    tail = lambda acts: logit * acts[:, :, :classes].mean(1).tanh()  # noqa: E731
    return layer_of(tokens, tail, grid=[3, 3])


def test_planted_channels_are_found_on_other_images(layer_of, families_of, section):
    layer = planted(layer_of)
    found = patch(layer, families_of(40), section(classes=4, pairs=8, patched_share=0.05))
    channels = found.metrics["kinds"]["channels"]
    assert (channels["patched"], channels["of"]) == (2, 40)
    assert channels["influence"]["value"] == pytest.approx(1, abs=0.02)
    assert channels["flipped"]["value"] == 1
    rivals = channels["rivals"]
    assert rivals["best_case"]["influence"]["value"] == pytest.approx(1, abs=0.02)
    # Channels of two other classes say nothing of these two.
    assert abs(rivals["stranger"]["influence"]["value"]) < 0.05
    # A direction that is spread over forty channels holds little of any of them.
    assert channels["influence"]["null"] == rivals["random"]["influence"]
    assert rivals["random"]["influence"]["range"][1] < 0.8
    assert rivals["random"]["beyond"]["interval"][0] > 0
    # Eight cells of four classes, 64 images that judge; the two channels are most of what differs.
    assert found.metrics["judging"] == channels["influence"]["n"] == 64
    assert 0.5 < channels["replaced"]["value"] < 1
    # Nothing else changes as much, and that is said.
    assert "times as much" in rivals["matched"]["influence"]["why"]


def test_noise_carries_nothing_over_to_other_images(layer_of, families_of, section):
    """Behind a linear tail any unit goes some of the way that is chosen for the very pair.

    Each image's logits are noise of its own; nothing that two images of a class have in common.
    """
    images, d = 600, 64
    tokens = noise(images, 1, d)
    weight = noise(4, d, seed=5) / d**0.5
    layer = layer_of(tokens, lambda acts: acts[:, 0] @ weight.T)
    found = patch(layer, families_of(d), section(classes=4, pairs=16))
    channels = found.metrics["kinds"]["channels"]
    own = channels["rivals"]["best_case"]["influence"]["value"]
    other = channels["influence"]["value"]
    assert own > 0.6
    assert other < 0.6 * own
    # What a random basis does by the same rule, channels do no better here.
    low, high = channels["rivals"]["random"]["beyond"]["interval"]
    assert low < 0.15 and high > -0.15


def test_a_class_that_one_position_decides(layer_of, families_of, section):
    readout = noise(4, 10)
    tail = lambda acts: acts[:, 11] @ readout.T  # noqa: E731
    layer = layer_of(noise(600, 16, 10), tail, grid=[4, 4])
    found = patch(layer, families_of(10), section(classes=4, pairs=16)).metrics
    positions = found["kinds"]["positions"]
    assert (positions["patched"], positions["of"]) == (2, 16)
    assert positions["influence"]["value"] == pytest.approx(1, rel=1e-5)
    assert positions["flipped"]["value"] == 1
    assert positions["rivals"]["stranger"]["influence"]["value"] == pytest.approx(1, rel=1e-5)
    # Random positions are never the one that is chosen.
    assert positions["rivals"]["matched"]["influence"]["value"] == pytest.approx(0, abs=1e-5)
    assert positions["replaced"]["value"] == pytest.approx(2 / 16, abs=0.03)


def test_a_class_that_one_direction_decides(layer_of, families_of, section):
    along = F.normalize(noise(10), dim=0)
    tokens = noise(200, 4, 10) + 4 * torch.sign(noise(200, 1, 1)) * along
    tail = lambda acts: torch.stack([acts.mean(1) @ along, -acts.mean(1) @ along], 1)  # noqa: E731
    found = patch(layer_of(tokens, tail), families_of(10), section(pairs=8)).metrics
    direction = found["kinds"]["direction"]
    assert (direction["patched"], direction["of"]) == (1, 10)
    assert direction["influence"]["value"] == pytest.approx(1, abs=0.02)
    assert direction["influence"]["null"] is None  # of two classes there is no stranger
    assert direction["influence"]["why"]


def test_kinds_of_token_have_directions_of_their_own(layer_of, families_of, section):
    """A class token that says the class, and patches that say the opposite."""
    sign = torch.sign(noise(200, 1))
    tokens = torch.zeros(200, 5, 6)
    tokens[:, 0, 1], tokens[:, 1:, 1] = sign[:, 0], -sign
    tokens += 0.01 * noise(200, 5, 6)
    tail = lambda acts: torch.stack([acts[:, 0, 1], -acts[:, 0, 1]], 1)  # noqa: E731
    layer = layer_of(tokens, tail, prefix=["class"], grid=[2, 2])
    found = patch(layer, families_of(6), section(pairs=8)).metrics
    direction = found["kinds"]["direction"]
    assert direction["influence"]["value"] == pytest.approx(1, abs=0.02)
    assert direction["replaced"]["value"] == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("module", ["layer2", "layer2.0.conv1"])
@pytest.mark.parametrize("kind", ["positions", "channels"])
def test_a_hook_on_the_whole_network_gives_the_same(
    layers, judge, section, model, images, module, kind
):
    made, found, pairs, judged = judge(layers[module], section(patched_share=0.2))
    store, _ = layers[module]
    layer = model.network.get_submodule(module)
    [plan] = [each for each in made if each.kind == kind and "chosen" in each.sets]

    @torch.no_grad()
    def forward(row, edit=lambda out: out):
        handle = layer.register_forward_hook(lambda *call: edit(call[-1]))
        try:
            return model.network(model.preprocess(images.read(store.image_ids[[row]])))[0]
        finally:
            handle.remove()

    for number in range(0, len(pairs.target), 5):
        donor, target = (found.rows[each[number]] for each in (pairs.donor, pairs.target))
        up, down = found.classes[found.cells[pairs.cell[number]]].tolist()
        there = []
        forward(donor, there.append)
        chosen = np.flatnonzero(plan.sets["chosen"][pairs.cell[number]])

        def mix(out, there=there, chosen=chosen):
            out, source = out.clone(), there[0]
            if kind == "channels":
                out[:, chosen] = source[:, chosen]
            else:
                out.flatten(2)[..., chosen] = source.flatten(2)[..., chosen]
            return out

        clean, mixed = forward(target), forward(target, mix)
        moved = float(mixed[up] - mixed[down] - clean[up] + clean[down])
        got = judged.mean(kind, "chosen")[number]
        assert got[0] == pytest.approx(moved, rel=1e-3, abs=1e-4)
        assert got[1] == float(mixed.argmax() == up)


def test_what_is_replaced_is_the_donors(batch, parts):
    changes = parts["sites"].between(batch)
    chosen = torch.zeros(1, 16, dtype=torch.bool)
    chosen[0, [3, 8]] = True
    made = changes.patched(chosen)
    changed = made != batch.target
    torch.testing.assert_close(made[changed], batch.donor[changed])
    assert changed.any(2).sum(1).max() <= 2 * 4  # two blocks of two by two


def test_parts_are_chosen_on_other_images_than_they_are_judged_on(layers):
    images, choice, judging_pairs = pairing.draw_halves(layers["layer2"][0], 3, 4, 0)
    ends = [np.union1d(each.donor, each.target) for each in (choice, judging_pairs)]
    assert len(np.intersect1d(*ends)) == 0
    assert len(np.unique(images.rows)) == len(images.rows)


def test_pairs_are_between_all_predicted_classes(layers):
    store, _ = layers["layer2"]
    predicted = store.logits().argmax(1)
    images, choice, judged = pairing.draw_halves(store, 3, 4, 0)
    np.testing.assert_array_equal(images.classes[images.members], predicted[images.rows])
    np.testing.assert_array_equal(
        images.tokens, np.stack([store.tokens[row] for row in images.rows.tolist()])
    )
    assert store.is_test[images.rows].all()
    counts = np.bincount(predicted[store.test_rows], minlength=3)[images.classes]
    assert (np.diff(counts) <= 0).all()
    for pairs, most in ((choice, 8), (judged, 4)):
        assert (np.diff(pairs.cell) >= 0).all()
        for cell, (donor, target) in enumerate(images.cells):
            here = pairs.cell == cell
            assert (images.members[pairs.donor[here]] == donor).all()
            assert (images.members[pairs.target[here]] == target).all()
            available = min(8, counts[donor] // 2, counts[target] // 2)
            assert here.sum() == min(most, available)
            assert len(set(pairs.donor[here])) == here.sum()


def test_rare_classes_and_single_ones_are_left_out(layer_of, families_of, section):
    """Five images of the second class: too few to choose by some and judge on others."""
    sign = torch.ones(40, 1, 2)
    sign[:10:2] *= -1  # held out
    tail = lambda acts: acts[:, 0] @ torch.tensor([[1.0, -1], [0, 0]])  # noqa: E731
    found = patch(layer_of(sign, tail), families_of(2), section())
    assert "fewer than two classes" in found.metrics["why"]
    assert len(found.cells) == 0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize(
    ("positions", "prefix", "grid"), [(1, [], None), (10, ["class"], [3, 3]), (6, [], None)]
)
def test_every_layout_gives_plain_numbers(
    layer_of, families_of, section, tmp_path, dtype, positions, prefix, grid
):
    readout = noise(3, 8)
    tail = lambda acts: acts[:, 0] @ readout.T  # noqa: E731
    layer = layer_of(noise(120, positions, 8), tail, prefix, grid, dtype)
    found = patch(layer, families_of(8), section())
    write_json(tmp_path / "found.json", found.metrics)  # refuses what is no number
    assert list(found.metrics["kinds"]) == KINDS
    positions_found = found.metrics["kinds"]["positions"]
    assert positions_found["influence"]["value"] == pytest.approx(1, rel=1e-5)
    assert ("matched" in positions_found["rivals"]) == (positions > 1)
    for kind, part in found.metrics["kinds"].items():
        assert part["influence"]["n"] == found.metrics["judging"]
        cells = found.cells[found.cells["kind"] == kind]
        assert cells["pairs"].sum() == found.metrics["pairs"]
        assert (cells["donor"] != cells["target"]).all()


def test_batches_and_repetition_change_nothing(layers, judge, section, monkeypatch):
    once, again = (judge(layers["layer2"], section())[-1] for _ in range(2))
    monkeypatch.setattr(accuracy, "MOST_IMAGES", 3)
    parts = judge(layers["layer2"], section())[-1]
    assert once.outcomes.keys() == again.outcomes.keys() == parts.outcomes.keys()
    for key, found in once.outcomes.items():
        np.testing.assert_array_equal(found, again.outcomes[key])
        np.testing.assert_allclose(found, parts.outcomes[key], rtol=1e-3, atol=1e-3)
