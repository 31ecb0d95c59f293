import numpy as np
import pytest
import torch

from tickle_core.datasets import image_set
from tickle_core.maximization.colors import color_root
from tickle_core.maximization.objectives import Objective
from tickle_core.maximization.parametrization import (
    DAMPING,
    Canvas,
    frequencies,
    generators,
    quantize,
    render,
    start,
)

KINDS = ["fourier", "pixel"]
SIZES = [(28, 28), (7, 10), (9, 7), (12, 5)]


def randomness(count, seed=0):
    return [np.random.default_rng([seed, i]) for i in range(count)]


def before_sigmoid(canvas, coefficients):
    return render(canvas, coefficients).double().logit()


@pytest.fixture
def make_images(tmp_path):
    def make(pixels):
        hashes = image_set.write_images(tmp_path, pixels, len(pixels), pixels[0].shape, ["a"])
        names = [str(i) for i in range(len(pixels))]
        image_set.write_table(
            tmp_path, ["train"] * len(pixels), [0] * len(pixels), names, hashes, ["a"]
        )
        return image_set.ImageSet.open(tmp_path)

    return make


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_every_picture_has_fourier_coefficients(size, channels):
    canvas = Canvas("fourier", size, channels)
    wanted = torch.rand(2, channels, *size, generator=torch.Generator().manual_seed(0)) * 0.9 + 0.05
    scale = 1 / frequencies(size).clamp_min(1 / max(size))
    spectrum = torch.fft.rfft2(wanted.logit() * DAMPING, norm="ortho") / scale
    coefficients = torch.view_as_real(spectrum)
    assert coefficients.shape == start(canvas, randomness(2)).shape
    torch.testing.assert_close(render(canvas, coefficients), wanted, atol=1e-5, rtol=0)


def test_frequencies_are_cycles_per_pixel():
    found = frequencies((4, 6))
    assert found.shape == (4, 4)
    assert found[0, 0] == 0
    assert found[2, 0] == 0.5  # every second row
    assert found[0, 1] == pytest.approx(1 / 6)
    assert found[1, 3] == pytest.approx(np.hypot(0.25, 0.5))


def test_the_spectrum_of_a_start_falls_with_frequency():
    canvas = Canvas("fourier", (32, 32), 1)
    pictures = before_sigmoid(canvas, start(canvas, randomness(400)))
    power = torch.fft.rfft2(pictures, norm="ortho").abs().square().mean((0, 1))
    f = frequencies((32, 32))
    inside = (f > 0) & (f < 0.45)
    inside[:, 0] = inside[:, -1] = False  # these coefficients have partners of their own
    slope, _ = np.polyfit(f[inside].log(), power[inside].log(), 1)
    assert slope == pytest.approx(-2, abs=0.05)


def test_the_spectrum_of_a_pixel_start_is_flat():
    canvas = Canvas("pixel", (32, 32), 1)
    pictures = before_sigmoid(canvas, start(canvas, randomness(400)))
    power = torch.fft.rfft2(pictures, norm="ortho").abs().square().mean((0, 1))
    assert power.max() < 1.5 * power.min()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", [28, 224])
def test_starts_are_faint_and_near_mid_grey(kind, side):
    canvas = Canvas(kind, (side, side), 1)
    pictures = render(canvas, start(canvas, randomness(8)))
    assert pictures.mean().item() == pytest.approx(0.5, abs=0.005)
    assert 0.001 < pictures.std() < 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_a_decorrelated_start_has_the_correlations_of_the_data(kind):
    covariance = torch.tensor([[1.0, 0.8, 0.5], [0.8, 1.0, 0.7], [0.5, 0.7, 1.0]])
    values, vectors = torch.linalg.eigh(covariance)
    canvas = Canvas(kind, (24, 24), 3, vectors * values.sqrt())
    coefficients = start(canvas, randomness(300))
    pixels = before_sigmoid(canvas, coefficients).permute(1, 0, 2, 3).flatten(1)
    pixels = pixels - pixels.view(3, 300, -1).mean(2).repeat_interleave(24 * 24, 1)
    np.testing.assert_allclose(torch.corrcoef(pixels), covariance, atol=0.03)
    free = before_sigmoid(Canvas(kind, (24, 24), 3), coefficients)
    free = free - free.mean((2, 3), keepdim=True)
    np.testing.assert_allclose(
        torch.corrcoef(free.permute(1, 0, 2, 3).flatten(1)), np.eye(3), atol=0.03
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_start_depends_on_its_own_picture_alone(kind):
    canvas = Canvas(kind, (9, 9), 3)
    objective = Objective("latent", 7)
    three = start(canvas, generators(0, objective, 3))
    assert torch.equal(start(canvas, generators(0, objective, 1)), three[:1])
    others = [
        (0, Objective("channel", 7)),
        (0, Objective("latent", 8)),
        (1, objective),
        (0, Objective("neuron", 7, 0)),
        (0, Objective("neuron", 7, 1)),
    ]
    starts = [three, *(start(canvas, generators(seed, each, 1)) for seed, each in others)]
    assert len(torch.cat(starts).flatten(1).unique(dim=0)) == 8


def test_quantizing_rounds_to_the_nearest_level():
    values = torch.tensor([0.0, 0.4 / 255, 0.6 / 255, 127.4 / 255, 254.6 / 255, 1.0])
    images = quantize(values.view(1, 1, 2, 3))
    assert images.dtype == np.uint8
    assert images.shape == (1, 2, 3, 1)
    assert images.ravel().tolist() == [0, 0, 1, 127, 255, 255]


def test_color_root_squares_to_the_covariance(make_images):
    rng = np.random.default_rng(0)
    mixing = np.array([[30, 10, 0], [25, -5, 6], [20, -12, -3]])
    pixels = np.clip(128 + rng.standard_normal((40, 16, 16, 3)) @ mixing.T, 0, 255)
    pixels = pixels.astype(np.uint8)
    root = color_root(make_images(pixels), seed=0).double().numpy()
    covariance = np.cov(pixels.reshape(-1, 3).T.astype(float))
    square = root @ root.T
    np.testing.assert_allclose(square / np.trace(square), covariance / np.trace(covariance), 1e-4)
    lengths = np.linalg.norm(root, axis=0)
    assert lengths[0] == pytest.approx(1)
    assert (np.diff(lengths) < 0).all()
    assert (root[:, 0] > 0).all()  # light, as in `mixing`


@pytest.mark.parametrize("shape", [(6, 4, 4, 1), (6, 4, 4, 3)])
def test_without_colors_there_is_no_root(make_images, shape):
    pixels = np.full(shape, 7, np.uint8)
    if shape[-1] == 1:
        pixels[::2] = 90
    assert color_root(make_images(pixels), seed=0) is None


def test_grey_photographs_allow_only_grey_pictures(make_images):
    grey = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 1), dtype=np.uint8)
    root = color_root(make_images(grey.repeat(3, -1)), seed=0)
    np.testing.assert_allclose(root, [[3**-0.5, 0, 0]] * 3, atol=1e-6)
