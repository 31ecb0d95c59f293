"""Images without objects: the spectrum of natural images with random phases.

Such an image has the contrast of a natural one, its stripes, patches and colours of every size, but
none of its outlines, which are in the phases (Oppenheim, Lim 1981). What a unit's score is on them,
it owes to the spectrum alone.
"""

import numpy as np

ROUNDS = 10  # after which mean and contrast are within some percent on images of few greys
WHITE = 255


def random_phase(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give images (n, h, w, channels), uint8, random phases.

    Each keeps the amplitudes of its own Fourier spectrum. The phases of white noise are added to
    its own, the same to all channels, so that colours stay correlated as they are. What then is no
    pixel, because it lies beyond black or white, is clipped; amplitudes and range are restored in
    turns, as in surrogates of time series (Schreiber, Schmitz 1996), with a range in place of
    their distribution.

    Memory: some ten float64 copies of `images`.
    """
    spectrum = np.fft.rfft2(images.astype(np.float64), axes=(1, 2))
    amplitude = np.abs(spectrum)
    turn = np.fft.rfft2(rng.standard_normal(images.shape[:3]), axes=(1, 2))[..., None]
    turn /= np.abs(turn)
    turn[:, 0, 0] = 1  # the mean stays

    def pixels(spectrum: np.ndarray) -> np.ndarray:
        return np.fft.irfft2(spectrum, s=images.shape[1:3], axes=(1, 2)).clip(0, WHITE)

    found = pixels(spectrum * turn)
    for _ in range(ROUNDS):
        phases = np.fft.rfft2(found, axes=(1, 2))
        found = pixels(amplitude * phases / np.maximum(np.abs(phases), 1e-9))
    return found.round().astype(np.uint8)
