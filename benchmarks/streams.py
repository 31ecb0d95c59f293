"""A store larger than the memory allowed: written, read in order, and streamed in random order.

200,000 images' worth of tokens (10 GB, about 7 GB on disk) are written, read and streamed, each
by a process of its own, whose peak memory is printed. One more process reads in order and in
random order in turns; the ratio of the two rates is what counts. Each token tells its image, so
that the batches of the shuffled stream can be compared with batches drawn uniformly.

    python -m benchmarks.streams        # about 2 minutes; TMPDIR says where, 7 GB are needed
"""

import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tickle_core import streams
from tickle_core.activations import writer
from tickle_core.activations.store import ActivationStore, open_store

IMAGES, POSITIONS, CHANNELS, CLASSES = 200_000, 49, 512, 10
BATCH_IMAGES = 128
POOL_IMAGES = 1024  # of noise, from which all images are cut
ID_BASE = 512  # an image's number in two digits, which float16 holds exactly
TURNS, TURN_BYTES = 32, 256 * 2**20
BATCH, POOL_BYTES = 2048, 256 * 2**20  # sae.batch_size and sae.buffer_mib as they are by default


def main() -> None:
    """Print a line per phase, the ratio, and how well the stream is mixed."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokens.zarr"
        for phase in (write, read, stream, compare):
            with context.Pool(1) as process:
                said, peak = process.apply(measured, (phase, path))
            print(f"{phase.__name__:8} peak {peak:5.0f} MiB   {said}", flush=True)


def measured(phase: Callable[[Path], str], path: Path) -> tuple[str, float]:
    """What a phase says, and the most memory that its process ever held."""
    return phase(path), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write(path: Path) -> str:
    """Fill the store; MB/s of tokens, and GB on disk."""
    row_bytes = POSITIONS * CHANNELS * 2
    rows = writer.rows_per_shard(row_bytes, BATCH_IMAGES, shard_mib=64)
    layout = writer.Layout(
        positions=POSITIONS,
        channels=CHANNELS,
        classes=CLASSES,
        prefix=[],
        grid=[7, 7],
        dtype="float16",
        shard_rows=rows,
    )
    ids = np.arange(IMAGES)
    writer.create_store(path, layout, ids, ids % CLASSES, np.zeros(IMAGES, dtype=bool))
    writing = writer.StoreWriter(path)
    rng = np.random.default_rng(0)
    shape = (POOL_IMAGES + BATCH_IMAGES, POSITIONS, CHANNELS)
    pool = np.maximum(rng.standard_normal(shape, dtype=np.float32) + 0.5, 0).astype(np.float16)
    logits = np.zeros((BATCH_IMAGES, CLASSES), dtype=np.float32)
    pooled = np.zeros((BATCH_IMAGES, CHANNELS), dtype=np.float32)
    start = time.perf_counter()
    for first in range(0, IMAGES, BATCH_IMAGES):
        batch = ids[first : first + BATCH_IMAGES]
        offset = rng.integers(POOL_IMAGES)
        tokens = pool[offset : offset + len(batch)].copy()
        tokens[:, :, 0], tokens[:, :, 1] = (digit[:, None] for digit in divmod(batch, ID_BASE))
        writing.add(first, pooled[: len(batch)], logits[: len(batch)], tokens)
    seconds = time.perf_counter() - start
    on_disk = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return (
        f"{IMAGES * row_bytes / 1e6 / seconds:.0f} MB/s; {IMAGES * row_bytes / 1e9:.2f} GB of "
        f"tokens take {on_disk / 1e9:.2f} GB ({on_disk / 2**30:.2f} GiB) on disk"
    )


def read(path: Path) -> str:
    """Read every token in order."""
    store = open_store(path)
    count = sum(tokens.shape[0] * tokens.shape[1] for tokens in in_order(store))
    return f"{count} tokens in order"


def in_order(store: ActivationStore) -> Iterator[np.ndarray]:
    """All tokens, block by block."""
    return (tokens for _, tokens in store.token_blocks(store.train_rows))


def shuffled(store: ActivationStore) -> Iterator[np.ndarray]:
    """All tokens as stored, in shuffled batches: what SAE training widens and learns from."""
    rng = np.random.default_rng(0)
    chunks = streams.random_chunks(store.tokens, store.train_rows, rng)
    tokens = ((block.reshape(-1, CHANNELS),) for _, block in chunks)
    return (batch for (batch,) in streams.mix(tokens, BATCH, POOL_BYTES, rng))


def stream(path: Path) -> str:
    """Stream every token once; compare the batches with uniform ones."""
    store = open_store(path)
    shard_images = store.tokens.shards[0]
    shards = -(-IMAGES // shard_images)
    shares = np.diff(np.minimum(np.arange(shards + 1) * shard_images, IMAGES)) / IMAGES
    times_seen = np.zeros(IMAGES, dtype=np.int64)
    first_seen, last_seen = np.full(IMAGES, -1), np.zeros(IMAGES, dtype=np.int64)
    distinct, distance, chi_square = [], [], []
    for number, batch in enumerate(shuffled(store)):
        images = batch[:, 0].astype(np.int64) * ID_BASE + batch[:, 1].astype(np.int64)
        np.add.at(times_seen, images, 1)
        first_seen[images] = np.where(first_seen[images] < 0, number, first_seen[images])
        last_seen[images] = number
        distinct.append(len(np.unique(images)) / len(images))
        distance.append(np.abs(np.diff(images)).mean() / IMAGES)
        found = np.bincount(images // shard_images, minlength=shards)
        expected = len(images) * shares
        chi_square.append(((found - expected) ** 2 / expected).sum() / (shards - 1))
    spread = np.median(last_seen - first_seen) * BATCH * CHANNELS * 2 / 2**20
    uniform = IMAGES / BATCH * -np.expm1(-BATCH / IMAGES)
    one_shard = shard_images / BATCH * -np.expm1(-BATCH / shard_images)
    each_once = bool((times_seen == POSITIONS).all())
    rows = [
        ("distinct images", distinct, uniform, one_shard),
        ("distance of images", distance, 1 / 3, 1 / 3 / shards),
        ("chi-square of shards / df", chi_square, 1, BATCH),
    ]
    lines = [
        f"each token once: {each_once}; half of the images spread over {spread:.0f} MiB or more",
        f"{'':12}{'per batch':28} {'stream':>9} {'uniform':>9} {'one shard':>9}",
        *(
            f"{'':12}{name:28} {np.mean(values):9.4f} {even:9.4f} {narrow:9.4f}"
            for name, values, even, narrow in rows
        ),
    ]
    return "\n".join(lines)


def compare(path: Path) -> str:
    """MB/s in order and in random order, in turns, and their ratio."""
    store = open_store(path)
    sources = {"in order": in_order(store), "shuffled": shuffled(store)}
    next(sources["shuffled"])  # the pool is full
    wall: dict[str, list[float]] = {name: [] for name in sources}
    cpu: dict[str, list[float]] = {name: [] for name in sources}
    for _ in range(TURNS):
        for name, source in sources.items():
            started, done = (time.perf_counter(), time.process_time()), 0
            while done < TURN_BYTES:
                done += next(source).nbytes
            wall[name].append((time.perf_counter() - started[0]) / done * 1e6)
            cpu[name].append((time.process_time() - started[1]) / done * 1e6)
    (ordered, mixed), (ordered_cpu, mixed_cpu) = (
        (statistics.median(seconds[name]) for name in sources) for seconds in (wall, cpu)
    )
    return (
        f"in order {1 / ordered:.0f} MB/s, shuffled {1 / mixed:.0f} MB/s: {ordered / mixed:.2f} "
        f"of it (by processor time {ordered_cpu / mixed_cpu:.2f})"
    )


if __name__ == "__main__":
    main()
