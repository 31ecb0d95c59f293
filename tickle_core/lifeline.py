"""A stage dies with the DVC that started it.

Otherwise it would go on writing while the next `dvc repro` runs the same stage.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_dvc() -> None:
    """Ask the kernel to kill this process when the DVC that started it dies.

    To be called before the imports of a stage, which take seconds. Other systems than Linux lack
    this; there the stage's lock keeps a second copy out.
    """
    if "DVC_STAGE" not in os.environ or sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if _is_orphan():  # it died before the request was made
        os.kill(os.getpid(), signal.SIGKILL)


def _is_orphan() -> bool:
    """Whether this process was handed on: DVC starts its stages in its own session."""
    try:
        return os.getsid(os.getppid()) != os.getsid(0)
    except ProcessLookupError:
        return True
