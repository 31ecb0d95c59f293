"""Downloads by other libraries, none of which may hang where there is no connection."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

# Of one connection attempt or one wait for data. A host may have several addresses, and each is
# tried in turn, so this is kept short.
SOCKET_TIMEOUT_SECONDS = 10


@contextmanager
def impatient() -> Iterator[None]:
    """Give up on sockets after `SOCKET_TIMEOUT_SECONDS`, whatever library opens them."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SOCKET_TIMEOUT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
