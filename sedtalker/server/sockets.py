"""Ports and tokens of a server on this machine."""

from __future__ import annotations

import errno
import os
import secrets
import socket

from sedtalker.errors import InputError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Hosts that only this machine can reach."""
WAITING = 1024
"""Connections that may wait to be taken."""


def bound_socket(port: int, host: str = "127.0.0.1") -> socket.socket:
    """A socket that takes connections from now on.

    Args:
        port: 0 for any that is free.
        host: of the interface.

    Raises:
        InputError: the port is in use or must not be used, or this machine has no such address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=WAITING)
    except OSError as error:
        if error.errno is not None and error.errno < 0:  # those of looking a name up
            raise InputError(f"{host}: no such address; give 127.0.0.1, or 0.0.0.0 for every interface") from None
        if error.errno == errno.EADDRNOTAVAIL:
            raise InputError(f"{host}: this machine does not have that address") from None
        why = os.strerror(error.errno).lower() if error.errno else str(error)
        raise InputError(f"port {port} cannot be used ({why}): choose another with --port, or --port 0") from None


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(24)
