"""Pages that this machine serves to its own browser: the socket that they listen on."""

import socket

from pipeline.errors import InputError

LOOPBACK = "127.0.0.1"


def bound(host: str, port: int) -> socket.socket:
    """A socket at an address of this machine.

    Args:
        host: by name or number, IPv4 or IPv6.
        port: 0 takes a free one.

    Raises:
        InputError: the port is taken, or the address is none of this machine's.
    """
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
    except OSError as error:
        made.close()
        raise InputError(f"cannot listen on {host}, port {port}: {error.strerror}; choose another --port") from error
    return made
