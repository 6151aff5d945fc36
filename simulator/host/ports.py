"""Ports that stay somebody's while nobody listens at them."""

import socket
import sys
import weakref


def reserve(owner: object) -> int:
    """A port that is kept for as long as its owner is there, so that nobody else is given it meanwhile.

    On Linux a server may listen at it all the same, because this socket does not; where that is not so, it is a port that was
    free a moment ago.
    """
    reserved = socket.socket()
    weakref.finalize(owner, reserved.close)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    port: int = reserved.getsockname()[1]
    if sys.platform != "linux":
        reserved.close()
    return port
