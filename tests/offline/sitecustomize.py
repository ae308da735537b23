"""Forbid every address but this machine's own: Python imports this at start where this folder is in PYTHONPATH."""

import socket

connect = socket.socket.connect


def only_here(self, address):
    if self.family != socket.AF_UNIX and not str(address[0]).startswith("127."):
        raise OSError(f"the network is off: {address}")
    return connect(self, address)


socket.socket.connect = only_here
