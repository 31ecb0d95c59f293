"""What components capture: the bounds, the correction, and the intervals of dimensions."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tickle_core.geometry.captured import captured
from tickle_core.geometry.moments import assign_blocks, block_moments, in_own_span
from tickle_core.geometry.pca import cumulative_shares, estimate, fractional_dimension

pytestmark = pytest.mark.slow

BLOCKS = 20


@pytest.fixture(autouse=True)
def one_thread():
    """At these sizes more of them only wait for each other."""
    with threadpool_limits(limits=1):
        yield


def spectrum_of(decay, d):
    """i^-decay, or exp(-i / 15) for a decay of None."""
    i = np.arange(1, d + 1.0)
    return np.exp(-i / 15) if decay is None else i**-decay


def sample(rng, kind, n, spectrum):
    """Vectors with a covariance of about this spectrum, and the spectrum of what they come from."""
    rows = rng.standard_normal((n, len(spectrum))) * np.sqrt(spectrum)
    if kind == "heavy tails":
        rows *= np.exp(rng.normal(0, 0.5, (n, 1)))
    if kind == "clusters":
        centres = np.random.default_rng(1).standard_normal((10, len(spectrum))) * np.sqrt(spectrum)
        rows = 0.5 * rows + centres[rng.integers(0, 10, n)]
        around = centres - centres.mean(axis=0)
        covariance = 0.25 * np.diag(spectrum) + around.T @ around / 10
        spectrum = np.maximum(np.linalg.eigvalsh(covariance)[::-1], 0)
    return rows, fractional_dimension(cumulative_shares(spectrum), 0.95)


def dimension(rows, seed, width=None):
    blocks = min(BLOCKS, len(rows))
    parts = block_moments([(in_own_span(rows), assign_blocks(len(rows), blocks, seed))], blocks)
    return estimate(captured(parts, width or rows.shape[1]), 0.95, len(rows))


def simulate(kind, decay, d, n, runs):
    """Of many samples: the truth, and the estimates."""
    rng = np.random.default_rng(0)
    drawn = [sample(rng, kind, n, spectrum_of(decay, d)) for _ in range(runs)]
    return drawn[0][1], [dimension(rows, seed) for seed, (rows, _) in enumerate(drawn)]


@pytest.mark.parametrize("kind", ["gaussian", "heavy tails", "clusters"])
@pytest.mark.parametrize(
    ("decay", "d", "n", "runs"),
    [(2.0, 24, 90, 200), (2.0, 64, 90, 50), (0.5, 64, 90, 20), (None, 64, 90, 20)]
    + [(2.0, 24, 2000, 150), (1.0, 24, 2000, 50), (2.0, 24, 10, 100), (0.5, 24, 10, 50)]
    + [(1.0, 150, 90, 5), (None, 150, 90, 5)],
)
def test_the_interval_holds_the_truth_and_the_value(kind, decay, d, n, runs):
    """From flat to steep spectra, with fewer and with more images than dimensions."""
    truth, found = simulate(kind, decay, d, n, runs)
    held = np.mean([each["interval"][0] <= truth <= each["interval"][1] for each in found])
    assert held >= 0.93 - 1.7 * np.sqrt(0.05 * 0.95 / runs)
    for each in found:
        low, high = each["interval"]
        assert 0 < low <= each["raw"] < high <= d
        assert each["value"] is None or each["raw"] <= each["value"] <= high


@pytest.mark.parametrize("kind", ["gaussian", "heavy tails", "clusters"])
@pytest.mark.parametrize(("decay", "n"), [(2.0, 90), (1.0, 90), (1.0, 400), (None, 400)])
def test_what_is_counted_is_too_small_and_the_correction_takes_that_off(kind, decay, n):
    truth, found = simulate(kind, decay, 40, n, 20)
    raw = np.mean([each["raw"] for each in found])
    values = [each["value"] for each in found]
    assert raw < truth
    assert abs(np.mean(values) - truth) < 0.2 * (truth - raw) + 3 * np.std(values) / 20**0.5


def test_the_interval_is_no_wider_than_needed_where_images_are_many():
    """A steep spectrum: the bias is small, and what is left is what sampling makes."""
    rng = np.random.default_rng(0)
    found = [
        dimension(sample(rng, "gaussian", 2000, spectrum_of(2.0, 32))[0], s) for s in range(40)
    ]
    spread = np.std([each["value"] for each in found])
    width = np.median([each["interval"][1] - each["interval"][0] for each in found])
    assert width < 1.4 * 2 * 2.1 * spread


def test_too_few_images_have_no_value_but_still_an_interval():
    rng = np.random.default_rng(0)
    found = dimension(rng.standard_normal((50, 100)), 0)
    assert found["value"] is None
    assert found["interval"][0] < found["raw"] < 50 < 94 < found["interval"][1]
    assert found["why"].startswith("50 images tell only that it lies between")
    # In few directions the same number is enough.
    narrow = rng.standard_normal((50, 3)) @ rng.standard_normal((3, 100))
    assert 1.5 < dimension(narrow, 0)["value"] < 3


def test_tokens_of_an_image_count_as_one():
    """Repeating each image 16 times adds no information and must not change the estimate."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((300, 32)) * np.sqrt(spectrum_of(1.5, 32))
    ids = assign_blocks(300, BLOCKS, 0)
    once = estimate(captured(block_moments([(rows, ids)], BLOCKS), 32), 0.95, 300)
    repeated = [(np.repeat(rows, 16, axis=0), np.repeat(ids, 16))]
    again = estimate(captured(block_moments(repeated, BLOCKS), 32), 0.95, 300)
    assert again["interval"] == pytest.approx(once["interval"])
    assert again["value"] == pytest.approx(once["value"])


@pytest.mark.parametrize("tokens", [4, 16])
def test_intervals_of_tokens_that_share_an_image_cover(tokens):
    spectrum = spectrum_of(1.5, 24)
    truth = fractional_dimension(cumulative_shares(spectrum), 0.95)
    rng = np.random.default_rng(0)
    held = 0
    for run in range(200):
        shape = (60, tokens, 24)
        own, shared = rng.standard_normal(shape), rng.standard_normal((60, 1, 24))
        rows = (np.sqrt(0.5) * (own + shared) * np.sqrt(spectrum)).reshape(-1, 24)
        ids = assign_blocks(60, BLOCKS, run).repeat(tokens)
        found = estimate(captured(block_moments([(rows, ids)], BLOCKS), 24), 0.95, 60)
        held += found["interval"][0] <= truth <= found["interval"][1]
    assert held >= 181  # 0.93, but for the noise of 200 runs


@pytest.mark.parametrize(("n", "d"), [(30, 50), (200, 20)])
def test_shares_are_those_of_explicit_projections(n, d):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((n, d)) * np.sqrt(spectrum_of(1.0, d))
    ids = assign_blocks(n, 5, 0)
    found = captured(block_moments([(rows, ids)], 5), d)
    most = min(found.rank, d)
    energies = np.zeros(most)
    total = 0.0
    for block in range(5):
        rest, held_out = rows[ids != block], rows[ids == block]
        axes = np.linalg.svd(rest - rest.mean(axis=0), full_matrices=False)[2]
        centred = held_out - rest.mean(axis=0)
        energies += ((centred @ axes.T) ** 2).sum(axis=0)[:most]
        total += (centred**2).sum()
    np.testing.assert_allclose(found.held_out[:most], energies.cumsum() / total, rtol=1e-9)
    # Of a subspace the same is captured as of the rows in its coordinates.
    spanned = captured(block_moments([(in_own_span(rows), ids)], 5), d)
    for name in ("shown", "held_out", "most", "least"):
        np.testing.assert_allclose(getattr(spanned, name), getattr(found, name), atol=1e-9)
