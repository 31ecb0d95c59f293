"""A kill costs one shard at most, leaves nothing running, and does not show in the result."""

import os
import random
import shutil
import signal
import sys
import time

import psutil
import pytest

from tests.patience import PATIENCE

pytestmark = pytest.mark.pipeline

EXTRACT = ("repro", "--single-item", "extract@middle")


def forget_middle(project):
    """Bring the layer back to where nothing of it exists: not published, cached or begun."""
    for name in ("data/activations/middle.zarr", ".dvc/cache"):
        shutil.rmtree(project.path / name)


def stage_processes(project):
    """Processes of this project's stages."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        try:
            if "stages.extract" in command and process.cwd() == str(project.path):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def written_shards(project):
    """The finished token shards in the scratch folder, with the moment of their writing."""
    scratch = project.path / ".cache/activations"
    return {
        path.relative_to(scratch).parts[1:]: path.stat().st_mtime_ns
        for path in scratch.glob("*/tokens/c.*")
        if not path.name.endswith(".partial")
    }


def wait_for(condition, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@pytest.mark.parametrize("victim", ["stage", "dvc", "both"])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_kill_at_a_random_moment(project, finished, victim, seed):
    forget_middle(project)
    process = project.start(*EXTRACT)
    moment = random.Random(f"{victim} {seed}")
    wanted = moment.randrange(0, 4)
    wait_for(lambda: len(written_shards(project)) >= wanted and stage_processes(project))
    time.sleep(moment.random() * 0.2)
    children = stage_processes(project)
    if victim in ("stage", "both"):
        for child in children:
            child.send_signal(signal.SIGKILL)
    if victim in ("dvc", "both"):
        os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    wait_for(lambda: not stage_processes(project), seconds=5)

    before = written_shards(project)
    time.sleep(0.5)
    assert written_shards(project) == before  # no orphan goes on writing
    project.dvc(*EXTRACT)
    store = project.path / "data/activations/middle.zarr"
    for (*_, name), written in before.items():
        assert (store / "tokens" / name).stat().st_mtime_ns == written  # not computed again
    assert not list(store.rglob("*.partial"))
    assert project.lock == finished.lock


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the stage's lock keeps others out")
@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.5])
def test_a_stage_whose_dvc_dies_while_it_imports_dies_with_it(project, seconds):
    forget_middle(project)
    process = project.start(*EXTRACT)
    wait_for(lambda: stage_processes(project))
    time.sleep(seconds)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    wait_for(lambda: not stage_processes(project), seconds=5)


def test_a_full_disk_is_told_and_a_later_run_resumes(project, finished):
    """The stage meets a disk that is full after three shards; simulated where it is written."""
    forget_middle(project)
    full = project.path / "sitecustomize.py"
    full.write_text(
        "import errno, os\n"
        "rename, calls = os.replace, []\n"
        "def replace(source, target, **kwargs):\n"
        "    if '/tokens/c.' in str(target):\n"
        "        calls.append(target)\n"
        "        if len(calls) > 3:\n"
        "            raise OSError(errno.ENOSPC, 'No space left on device', str(target))\n"
        "    return rename(source, target, **kwargs)\n"
        "os.replace = replace\n"
    )
    process = project.start(*EXTRACT)
    printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert "the disk is full" in printed
    assert "Traceback" not in printed
    before = written_shards(project)
    assert len(before) == 3
    full.unlink()
    project.dvc(*EXTRACT)
    store = project.path / "data/activations/middle.zarr"
    for (*_, name), written in before.items():
        assert (store / "tokens" / name).stat().st_mtime_ns == written
    assert project.lock == finished.lock
