"""Streams of tokens: every token once per pass, taken up anywhere, and what is drawn from them."""

import itertools

import numpy as np
import pytest
import torch

from tickle_core import arrays
from tickle_core.dictionaries import stream
from tickle_core.errors import TickleError

IMAGES, POSITIONS, D = 96, 4, 3
POOL = 2000  # bytes: a part of the tokens only


@pytest.fixture
def store(store_of, monkeypatch):
    """Tokens that tell their image and position, in 32 chunks."""
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 4 * POSITIONS * D * 3)
    store = store_of(numbered(IMAGES))
    assert store.tokens.chunks[0] == 3
    return store


def numbered(images):
    number = np.arange(images * POSITIONS, dtype=np.float32)
    return np.stack([number, -number, number % 7], axis=1).reshape(images, POSITIONS, D)


def of_rows(rows):
    """The numbers of the tokens of some images."""
    return (rows[:, None] * POSITIONS + np.arange(POSITIONS)).flatten()


def take(store, rows, batch, count, seed=0, first=0):
    batches = stream.token_batches(store, rows, batch, POOL, seed, first)
    return list(itertools.islice(batches, count))


@pytest.mark.parametrize("batch", [1, 7, 32, 1000])
def test_every_pass_holds_every_token_once_and_in_another_order(store, batch):
    rows = store.train_rows[5:50]
    tokens = len(rows) * POSITIONS
    in_a_pass = -(-tokens // batch)
    batches = take(store, rows, batch, 3 * in_a_pass)
    assert {len(part) for part in batches} <= {batch, tokens % batch or batch}
    passes = [torch.cat(batches[i * in_a_pass : (i + 1) * in_a_pass]) for i in range(3)]
    for each in passes:
        assert sorted(each[:, 0].tolist()) == of_rows(rows).tolist()
        assert torch.equal(
            each, torch.from_numpy(numbered(IMAGES).reshape(-1, D))[each[:, 0].long()]
        )
    assert not torch.equal(passes[0], passes[1])
    assert not torch.equal(passes[1], passes[2])


def test_a_stream_is_seeded(store):
    one, two, other = (take(store, store.train_rows, 32, 20, seed) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert not torch.equal(torch.cat(one), torch.cat(other))


@pytest.mark.slow
@pytest.mark.parametrize("batch", [32, 31])
def test_a_stream_can_be_taken_up_at_any_batch(store, batch):
    """Also at the border of two passes: there are 9 or 10 batches in each."""
    whole = take(store, store.train_rows, batch, 35)
    for first in range(32):
        taken_up = take(store, store.train_rows, batch, 3, first=first)
        for a, b in zip(whole[first : first + 3], taken_up, strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_batches_are_float32_whatever_is_stored(store_of, dtype):
    tokens = torch.linspace(-3, 3, 60).reshape(5, 4, 3).to(dtype)
    stored = tokens.view(torch.uint16) if dtype == torch.bfloat16 else tokens
    store = store_of(stored.numpy(), str(dtype).removeprefix("torch."))
    (batch,) = take(store, np.arange(5), 20, 1)
    assert batch.dtype == torch.float32
    assert torch.equal(batch.sort(0).values, tokens.reshape(-1, 3).float())


@pytest.mark.parametrize("chunk_images", [96, 24, 3])
def test_what_is_held_out_is_set_aside(store_of, monkeypatch, chunk_images):
    """As much as asked for, however few chunks there are to take it from."""
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 4 * POSITIONS * D * chunk_images)
    monkeypatch.setattr(stream, "HELD_OUT_SHARE", 0.5)
    monkeypatch.setattr(stream, "HELD_OUT_TOKENS", 16 * POSITIONS - 1)
    store = store_of(numbered(IMAGES))
    held_out, rest = stream.hold_out(store, seed=0)
    aside = np.setdiff1d(store.train_rows, rest)
    assert sorted(held_out[:, 0].tolist()) == of_rows(aside).tolist()
    assert sorted([*aside, *rest]) == store.train_rows.tolist()
    assert (np.diff(rest) > 0).all()
    assert len(aside) == 16


def test_what_is_held_out_comes_from_all_over_the_images(store, monkeypatch):
    """Images that are sorted by class would otherwise all be of one."""
    monkeypatch.setattr(stream, "HELD_OUT_SHARE", 0.5)
    monkeypatch.setattr(stream, "HELD_OUT_TOKENS", 8 * POSITIONS)
    places = []
    for seed in range(5):
        _, rest = stream.hold_out(store, seed)
        aside = np.setdiff1d(store.train_rows, rest)
        assert len(set(aside // 3)) == stream.DRAWN_CHUNKS
        places.append(aside.tolist())
    assert np.ptp(places) > IMAGES / 2
    assert places[0] != places[1]
    _, again = stream.hold_out(store, seed=0)
    assert np.setdiff1d(store.train_rows, again).tolist() == places[0]


def test_little_is_held_out_of_few_images(store):
    held_out, rest = stream.hold_out(store, seed=0)
    assert len(held_out) <= POSITIONS * stream.HELD_OUT_SHARE * len(store.train_rows)
    assert len(rest) + len(held_out) // POSITIONS == len(store.train_rows) == 72


def test_two_train_images_are_the_fewest(store_of, tmp_path):
    held_out, rest = stream.hold_out(store_of(numbered(3)), seed=0)  # the first is for testing
    assert (len(held_out), len(rest)) == (POSITIONS, 1)
    (tmp_path / "a.zarr").rename(tmp_path / "before")
    with pytest.raises(TickleError, match=r"a\.zarr has 1 train images.*two at least.*add images"):
        stream.hold_out(store_of(numbered(2)), seed=0)


def test_a_sample_is_of_the_given_rows_and_knows_its_mean_and_scale(store):
    rows = store.train_rows[10:60]
    sample = stream.sample_tokens(store, rows, 10, seed=0)
    assert sorted(sample.tokens[:, 0].tolist()) == of_rows(rows).tolist()  # all: they are few
    torch.testing.assert_close(sample.mean, sample.tokens.mean(0))
    spread = (sample.tokens - sample.tokens.mean(0)).square().sum(1).mean().sqrt()
    torch.testing.assert_close(sample.scale, spread)
    standardized = sample.standardized(sample.tokens)
    torch.testing.assert_close(standardized.mean(0), torch.zeros(D), rtol=0, atol=1e-5)
    torch.testing.assert_close(standardized.square().sum(1).mean(), torch.tensor(1.0))


@pytest.mark.parametrize("least, expected", [(10, 40), (100, 100), (10**6, 72 * POSITIONS)])
def test_a_sample_is_bounded_in_bytes_but_has_the_least_that_is_needed(
    store, monkeypatch, least, expected
):
    monkeypatch.setattr(stream, "SAMPLE_BYTES", 40 * 4 * D)
    sample = stream.sample_tokens(store, store.train_rows, least, seed=0)
    assert len(set(sample.tokens[:, 0].tolist())) == len(sample.tokens) == expected


def test_a_sample_does_not_begin_as_training_does(store):
    sample = stream.sample_tokens(store, store.train_rows, 10, seed=0).tokens
    # With room for all, the order of the tokens is the generator's alone.
    first = next(stream.token_batches(store, store.train_rows, 72, 10**6, seed=0))
    assert not torch.equal(sample[:72], first)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e4 / 3])
def test_equal_tokens_are_refused(store_of, value):
    constant = store_of(np.full((8, POSITIONS, D), value, np.float32))
    with pytest.raises(TickleError, match=r"all tokens of .*a\.zarr are equal"):
        stream.sample_tokens(constant, constant.train_rows, 10, seed=0)


def test_permuted_dimensions_keep_their_values_and_lose_their_relations():
    generator = torch.Generator().manual_seed(0)
    common = torch.randn(5000, 1, generator=generator)
    acts = common + 0.3 * torch.randn(5000, 6, generator=generator)
    before = acts.clone()
    one, two, other = (
        stream.permute_dimensions(acts, np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(acts, before)
    assert torch.equal(one.sort(0).values, acts.sort(0).values)
    apart = ~torch.eye(6, dtype=torch.bool)
    assert torch.corrcoef(acts.T)[apart].abs().min() > 0.8
    assert torch.corrcoef(one.T)[apart].abs().max() < 0.06  # 4 / sqrt(5000)
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def sources(permuted):
    """Of tokens whose values are all their own number: whose value is where, (n, d)."""
    return permuted.long()


@pytest.mark.parametrize("n", [7, 8, 100])
def test_no_two_values_of_a_token_stay_together(n):
    tokens = torch.arange(n).float()[:, None].expand(n, 7)
    for seed in range(20):
        mixed = sources(stream.permute_dimensions(tokens, np.random.default_rng(seed)))
        assert all(len(token.unique()) == 7 for token in mixed)


@pytest.mark.parametrize("n", [1, 2, 6])
def test_a_short_batch_is_mixed_with_others(n):
    tokens = torch.arange(n).float()[:, None].expand(n, 7)
    others = (100 + torch.arange(20)).float()[:, None].expand(20, 7)
    for seed in range(20):
        mixed = stream.permute_dimensions(tokens, np.random.default_rng(seed), others)
        assert mixed.shape == (n, 7)
        assert all(len(token.unique()) == 7 for token in sources(mixed))


@pytest.mark.parametrize("n", [2, 3, 5])
def test_with_too_few_tokens_as_few_values_as_can_be_stay_together(n):
    tokens = torch.arange(n).float()[:, None].expand(n, 7)
    for token in sources(stream.permute_dimensions(tokens, np.random.default_rng(0))):
        _, together = token.unique(return_counts=True)
        assert len(together) == n and together.max() == -(-7 // n)


def test_one_token_cannot_be_permuted():
    with pytest.raises(ValueError, match="no other"):
        stream.permute_dimensions(torch.ones(1, 7), np.random.default_rng(0))


def test_the_covariance_of_a_sample(store, monkeypatch):
    monkeypatch.setattr(stream, "BLOCK_BYTES", 8 * D * 7)  # in blocks of seven tokens
    sample = stream.sample_tokens(store, store.train_rows, 10, seed=0)
    expected = np.cov(sample.tokens.double().numpy().T, bias=True)
    np.testing.assert_allclose(sample.covariance.numpy(), expected, rtol=1e-5, atol=1e-6)
