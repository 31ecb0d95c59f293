"""Patching: identities, planted answers, and the same numbers from a hook on the whole network."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tickle_core.circuits import kinds, patching
from tickle_core.circuits import pairs as pairing
from tickle_core.circuits.kinds import Batch
from tickle_core.circuits.sites import find_sites
from tickle_core.results import write_json

CPU = torch.device("cpu")
KINDS = ["layer", "positions", "channels", "direction", "latents"]
ALL = 0.9999  # a share that rounds to everything


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


def patched(layer, families, section, pairs):
    store, splice = layer
    kinds = patching.kinds_of_patching(families, store, pairs, section, CPU, 0)
    return patching.run(kinds, store, splice, pairs)


def batch_of(layer, pairs):
    """All pairs at once."""
    store, splice = layer
    donor, target = (
        pairing.as_tokens(store, pairs.tokens[each], CPU) for each in (pairs.donor, pairs.target)
    )
    up, down = (
        torch.from_numpy(pairs.classes[each]) for each in (pairs.donor_class, pairs.target_class)
    )
    ids = store.image_ids[pairs.rows[pairs.target]]
    slopes = pairing.gradient(splice, target, ids, up, down)
    return Batch(np.arange(len(ids)), donor, target, slopes), up, down


@pytest.fixture
def drawn(layers):
    return {name: pairing.draw_pairs(store, 3, 4, 0) for name, (store, _) in layers.items()}


@pytest.fixture
def families(layers, families_of):
    return {name: families_of(store.tokens.shape[2]) for name, (store, _) in layers.items()}


@pytest.mark.parametrize("module", ["layer2", "layer2.0.conv1"])
def test_an_image_that_is_its_own_donor_changes_nothing(layers, families, drawn, section, module):
    pairs = replace(drawn[module], donor=drawn[module].target)
    found = patched(layers[module], families[module], section(), pairs)
    for name, outcome in found.items():
        if not name.startswith("activity"):
            np.testing.assert_array_equal(outcome, found["target"], err_msg=name)


def test_the_whole_layer_gives_the_donors_logits_to_the_bit(layers, families, drawn, section):
    found = patched(layers["layer2"], families["layer2"], section(), drawn["layer2"])
    np.testing.assert_array_equal(found["layer"], found["donor"])
    assert (found["donor"][:, 1] == 1).all() and (found["target"][:, 1] == 0).all()
    assert (found["donor"][:, 0] > 0).all() and (found["target"][:, 0] < 0).all()


def test_where_the_layer_is_no_clean_cut_the_rest_comes_from_the_target(
    layers, families, drawn, section
):
    module = "layer2.0.conv1"
    found = patched(layers[module], families[module], section(), drawn[module])
    assert np.abs(found["layer"][:, 0] - found["donor"][:, 0]).min() > 1e-3


def test_all_channels_are_the_layer(layers, families, drawn, section):
    found = patched(
        layers["layer2"], families["layer2"], section(patched_share=ALL), drawn["layer2"]
    )
    np.testing.assert_allclose(found["channels"], found["donor"], rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(found["positions"], found["donor"])
    assert "null positions" not in found and "null channels" not in found


def test_all_latents_and_the_rest_that_they_leave_are_the_donor(layers, families, drawn):
    units = families["layer2"]["latents"]
    batch, up, down = batch_of(layers["layer2"], drawn["layer2"])
    kind = kinds.strongest_units(units, np.ones(len(units.directions)), ALL, 0)
    assert kind.patched == kind.of == len(units.directions)
    made = kind.patch(batch).tokens
    sae = units.sae
    with torch.no_grad():
        rest = [each - sae.decode(sae.encode(each)) for each in (batch.donor, batch.target)]
    assert float((rest[0] - rest[1]).norm()) > 1  # or there is nothing to show
    torch.testing.assert_close(made + rest[0] - rest[1], batch.donor, rtol=1e-4, atol=1e-4)
    splice = layers["layer2"][1]
    ids = np.zeros(len(made), np.int64)
    with torch.no_grad():
        logits = splice.logits(made + rest[0] - rest[1], ids)
        torch.testing.assert_close(logits, splice.logits(batch.donor, ids), rtol=1e-3, atol=1e-3)


def test_on_a_linear_tail_the_screen_finds_the_best_unit_and_says_what_it_does(
    layer_of, families_of, section
):
    weight = noise(3, 5 * 8)
    tail = lambda acts: acts.flatten(1) @ weight.T  # noqa: E731
    layer = layer_of(noise(40, 5, 8), tail)
    pairs = pairing.draw_pairs(layer[0], 3, 4, 0)
    families = families_of(8, latents=20, k=3)
    batch, up, down = batch_of(layer, pairs)
    before = pairing.difference(tail(batch.target), up, down)
    found = patched(layer, families, section(patched_share=0.01), pairs)
    for name, units in families.items():
        count = len(units.directions)
        exact = np.empty((len(up), count))
        for unit in range(count):
            one = torch.tensor([unit])
            change = units.coefficients(batch.donor.flatten(0, 1), one) - units.coefficients(
                batch.target.flatten(0, 1), one
            )
            tokens = batch.target + (change @ units.directions[one]).view_as(batch.target)
            exact[:, unit] = pairing.difference(tail(tokens), up, down) - before
        screen = units.inner(batch.donor, batch.gradient) - units.inner(
            batch.target, batch.gradient
        )
        np.testing.assert_allclose(screen, exact, rtol=1e-3, atol=1e-4)
        moved = found[name][:, 0] - found["target"][:, 0]
        np.testing.assert_allclose(moved, exact.max(1), rtol=1e-3, atol=1e-4)


def test_a_class_that_one_channel_decides(layer_of, families_of, section):
    tokens = noise(60, 16, 10)
    tail = lambda acts: torch.stack([acts[:, :, 6].sum(1), -acts[:, :, 6].sum(1)], 1).tanh() * 9  # noqa: E731
    found = patching.patch(families_of(10), *layer_of(tokens, tail), section(pairs=8), 0)
    channels = found["kinds"]["channels"]
    assert (channels["patched"], channels["of"]) == (1, 10)
    assert channels["influence"]["value"] == pytest.approx(1)
    assert channels["influence"]["interval"] == pytest.approx([1, 1])
    assert channels["flipped"]["value"] == 1
    assert channels["null"]["influence"]["value"] == 0
    assert channels["null"]["flipped"]["value"] == 0
    assert channels["effect_size"] is None  # every pair gains the same
    assert channels["matrix"] == [[None, pytest.approx(1)], [pytest.approx(1), None]]
    assert 0.5 < channels["null"]["activity_ratio"] < 2
    assert found["pairs"] == channels["influence"]["n"] == 16
    assert sorted(found["classes"]) == ["class 0", "class 1"]


def test_a_class_that_one_position_decides(layer_of, families_of, section):
    readout = noise(3, 10)
    tail = lambda acts: acts[:, 11] @ readout.T  # noqa: E731
    layer = layer_of(noise(300, 16, 10), tail, grid=[4, 4])
    found = patching.patch(families_of(10), *layer, section(pairs=30), 0)
    positions = found["kinds"]["positions"]
    assert (positions["patched"], positions["of"]) == (2, 16)
    assert positions["influence"]["value"] == pytest.approx(1, rel=1e-5)
    assert positions["flipped"]["value"] == 1
    low, high = positions["null"]["influence"]["interval"]
    assert low < 2 / 16 < high  # how often two random sites of sixteen hit it
    assert 0 < high < 0.3
    assert positions["effect_size"]["value"] > 1


def test_a_class_that_one_direction_decides(layer_of, families_of, section):
    along = F.normalize(noise(10), dim=0)
    tokens = noise(200, 4, 10) + 4 * torch.sign(noise(200, 1, 1)) * along
    tail = lambda acts: torch.stack([acts.mean(1) @ along, -acts.mean(1) @ along], 1)  # noqa: E731
    found = patching.patch(families_of(10), *layer_of(tokens, tail), section(pairs=8), 0)
    direction = found["kinds"]["direction"]
    assert (direction["patched"], direction["of"]) == (1, 10)
    assert direction["influence"]["value"] == pytest.approx(1, abs=0.02)
    assert direction["null"]["influence"]["value"] < 0.9


@pytest.mark.parametrize("module", ["layer2", "layer2.0.conv1"])
@pytest.mark.parametrize("kind", ["positions", "channels"])
def test_a_hook_on_the_whole_network_gives_the_same(
    layers, families, drawn, section, model, images, module, kind
):
    pairs, share = drawn[module], 0.2
    found = patched(layers[module], families[module], section(patched_share=share), pairs)
    store, _ = layers[module]
    layer = model.network.get_submodule(module)

    def forward(row, edit=lambda out: out):
        handle = layer.register_forward_hook(lambda *call: edit(call[-1]))
        try:
            return model.network(model.preprocess(images.read(store.image_ids[[row]])))[0]
        finally:
            handle.remove()

    for number in range(0, len(pairs.target), 3):
        donor, target = (pairs.rows[each[number]] for each in (pairs.donor, pairs.target))
        up, down = (
            int(pairs.classes[each[number]]) for each in (pairs.donor_class, pairs.target_class)
        )
        outputs = []

        def keep(out, outputs=outputs):
            out.retain_grad()
            outputs.append(out)

        forward(donor, keep)

        logits = forward(target, keep)
        (logits[up] - logits[down]).backward()
        there, here = (each.detach()[0] for each in outputs)
        pull = outputs[1].grad[0] * (there - here)
        mixed = here.clone()
        if kind == "channels":
            order = pull.sum((1, 2)).argsort(descending=True)
            chosen = order[: round(share * len(order))]
            mixed[chosen] = there[chosen]
        else:
            order = pull.sum(0).flatten().argsort(descending=True)
            chosen = order[: round(share * len(order))]
            mixed.flatten(1)[:, chosen] = there.flatten(1)[:, chosen]
        with torch.no_grad():
            logits = forward(target, lambda out, mixed=mixed: mixed[None])
        assert found[kind][number, 0] == pytest.approx(float(logits[up] - logits[down]), rel=1e-3)
        assert found[kind][number, 1] == float(logits.argmax() == up)
    model.network.zero_grad()


def test_the_null_of_units_replaces_as_many_others(layers, families, drawn):
    units = families["layer2"]["channels"]
    batch, _, _ = batch_of(layers["layer2"], drawn["layer2"])
    activity = np.random.default_rng(0).uniform(0.5, 1.5, len(units.directions))
    made = kinds.strongest_units(units, activity, 0.2, 0).patch(batch)
    chosen, random = ((each != batch.target).any(1) for each in (made.tokens, made.null))
    assert not (chosen & random).any()
    k = round(0.2 * len(activity))
    assert (chosen.sum(1) <= k).all() and (random.sum(1) <= k).all()
    assert chosen.sum() > 0.8 * k * len(chosen)
    assert len({tuple(each) for each in random.tolist()}) > 1  # drawn for each pair anew


def test_what_is_replaced_is_the_donors(layers, families, drawn):
    units = families["layer2"]["channels"]
    batch, _, _ = batch_of(layers["layer2"], drawn["layer2"])
    made = kinds.strongest_units(units, np.ones(len(units.directions)), 0.2, 0).patch(batch)
    changed = made.tokens != batch.target
    torch.testing.assert_close(made.tokens[changed], batch.donor[changed])
    masks = find_sites(49, [], [7, 7], 16).masks(CPU)
    made = kinds.strongest_sites(masks, 0.2, 0).patch(batch)
    changed = made.tokens != batch.target
    assert torch.equal(made.tokens[changed], batch.donor[changed])
    assert changed.any(2).sum(1).max() <= 3 * 4  # three blocks of two by two


def test_nothing_is_said_of_a_single_predicted_class(layer_of, families_of, section):
    tail = lambda acts: acts.mean(1) * 0 + torch.tensor([1.0, 0.0])  # noqa: E731
    assert patching.patch(families_of(2), *layer_of(noise(20, 4, 2), tail), section(), 0) is None


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize(
    ("positions", "prefix", "grid"), [(1, [], None), (10, ["class"], [3, 3]), (6, [], None)]
)
def test_every_layout_gives_plain_numbers(
    layer_of, families_of, section, tmp_path, dtype, positions, prefix, grid
):
    readout = noise(3, 8)
    tail = lambda acts: acts[:, 0] @ readout.T  # noqa: E731
    layer = layer_of(noise(60, positions, 8), tail, prefix, grid, dtype)
    found = patching.patch(families_of(8), *layer, section(), 0)
    write_json(tmp_path / "found.json", found)  # refuses what is no number
    assert list(found["kinds"]) == KINDS
    assert found["kinds"]["positions"]["influence"]["value"] == pytest.approx(1, rel=1e-5)
    assert (found["kinds"]["positions"]["null"] is None) == (positions == 1)
    assert np.sum(found["pairs_by_class"]) == found["pairs"]
    assert not np.diagonal(found["pairs_by_class"]).any()
    for kind in found["kinds"].values():
        assert kind["influence"]["n"] == found["pairs"]


def test_a_class_that_train_images_lack_takes_the_means_of_the_pairs(
    layer_of, families_of, section
):
    tokens = torch.zeros(30, 3, 4)
    tokens[:15, :, 0] = tokens[15:, :, 1] = 1
    tail = lambda acts: acts.sum(1)[:, :2]  # noqa: E731
    layer = layer_of(tokens, tail, is_test=np.arange(30) >= 10)
    found = patching.patch(families_of(4), *layer, section(), 0)
    assert found["kinds"]["direction"]["influence"]["value"] == pytest.approx(1)


def test_batches_and_repetition_change_nothing(layers, families, drawn, section, monkeypatch):
    args = layers["layer2"], families["layer2"], section(), drawn["layer2"]
    once, again = patched(*args), patched(*args)
    monkeypatch.setattr(patching, "BATCH_TOKENS", 5 * 49)
    parts = patched(*args)
    for name, found in once.items():
        np.testing.assert_array_equal(found, again[name])
        np.testing.assert_allclose(found, parts[name], rtol=1e-4, atol=1e-4)


def test_pairs_are_between_all_predicted_classes(layers):
    store, _ = layers["layer2"]
    predicted = store.logits().argmax(1)
    pairs = pairing.draw_pairs(store, 3, 18, 0)
    np.testing.assert_array_equal(pairs.classes[pairs.members], predicted[pairs.rows])
    np.testing.assert_array_equal(pairs.members[pairs.donor], pairs.donor_class)
    np.testing.assert_array_equal(pairs.members[pairs.target], pairs.target_class)
    np.testing.assert_array_equal(
        pairs.tokens, np.stack([store.tokens[row] for row in pairs.rows.tolist()])
    )
    assert store.is_test[pairs.rows].all()
    counts = np.bincount(predicted[store.test_rows], minlength=3)
    sizes = np.minimum(counts[pairs.classes], 18)
    assert len(set(sizes)) > 1
    for donor in range(3):
        for target in range(3):
            here = (pairs.donor_class == donor) & (pairs.target_class == target)
            assert here.sum() == (donor != target) * min(sizes[donor], sizes[target])
            assert len(set(pairs.donor[here])) == len(set(pairs.target[here])) == here.sum()
    assert (np.diff(counts[pairs.classes]) <= 0).all()
    two = pairing.draw_pairs(store, 2, 18, 0)
    np.testing.assert_array_equal(two.classes, pairs.classes[:2])


def test_the_bootstrap_resamples_images():
    """Where a donor decides its pairs' values, their mean varies as a mean of donors does."""
    rng = np.random.default_rng(0)
    per_class, classes = 10, 10
    images = np.arange(classes * per_class).reshape(classes, per_class)
    table = np.array(
        [
            (images[i, k], images[j, k], i, j)
            for i in range(classes)
            for j in range(classes)
            for k in range(per_class)
            if i != j
        ]
    )
    members = np.repeat(np.arange(classes), per_class)
    pairs = pairing.Pairs(np.arange(classes), images.ravel(), members, None, *table.T)
    effect = rng.standard_normal(images.size)
    n = len(table)
    for values in (effect[pairs.donor], effect[pairs.target]):
        draws = pairing.resampled_sums(pairs, np.stack([values, np.ones(n)], 1), 0)
        means = draws[:, 0] / draws[:, 1]
        assert means.mean() == pytest.approx(values.mean(), abs=0.01)
        # Pairs that are resampled one by one would give a third of what is right.
        assert 0.9 < means.std() / (effect.std() / np.sqrt(images.size)) < 1.2


@pytest.mark.parametrize(
    ("positions", "prefix", "grid", "most", "joined", "count"),
    [
        (49, [], [7, 7], 256, [1, 1], 49),
        (784, [], [28, 28], 256, [2, 2], 196),
        (3136, [], [56, 56], 256, [4, 4], 196),
        (49, [], [7, 7], 16, [2, 2], 16),
        (49, [], [7, 7], 28, [1, 2], 28),
        (201, ["class"] + 4 * ["register"], [14, 14], 54, [2, 2], 54),
        (1, [], None, 256, [1, 1], 1),
        (100, [], None, 30, [1, 4], 25),
        (12, [], [2, 6], 1, [2, 6], 1),
        (5, ["class"], [2, 2], 1, [2, 2], 2),
    ],
)
def test_sites_are_the_smallest_blocks_of_which_there_are_few_enough(
    positions, prefix, grid, most, joined, count
):
    found = find_sites(positions, prefix, grid, most)
    masks = found.masks(CPU)
    assert found.joined == joined
    assert masks.shape == (count, positions)
    assert (masks.sum(0) == 1).all() and (masks.sum(1) >= 1).all()
    assert torch.equal(masks[: len(prefix), : len(prefix)], torch.eye(len(prefix), dtype=bool))
    if grid:
        assert found.grid == [-(-grid[0] // joined[0]), -(-grid[1] // joined[1])]
        block = masks[len(prefix), len(prefix) :].view(grid)
        assert block[: joined[0], : joined[1]].all()
        assert block.sum() == joined[0] * joined[1]
    else:
        assert found.grid is None
