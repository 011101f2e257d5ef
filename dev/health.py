"""Does each process of a stack answer for itself? Each function asks it directly, not through the others."""

import contextlib
import http.client
import os
import socket
import ssl
from pathlib import Path

from dev import pki

_SECONDS = 5  # for one question


def nginx_answers(edge_port: int, keys: pki.Pki) -> bool:
    """Through the edge, which also needs web_app."""
    context = ssl.create_default_context(cafile=keys.edge_ca)
    connection = http.client.HTTPSConnection("localhost", edge_port, timeout=_SECONDS, context=context)
    return _status(connection, "/healthz") == 200


def web_app_answers(web_socket: Path) -> bool:
    connection = http.client.HTTPConnection("localhost", timeout=_SECONDS)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(_SECONDS)
    with contextlib.closing(connection.sock):
        connection.sock.connect(os.fspath(web_socket))
        return _status(connection, "/healthz") == 200


def uploads_answers(port: int, keys: pki.Pki) -> bool:
    """It has no health address of its own; an answer of any kind shows that a worker is up."""
    return _status(inside(port, keys, keys.nginx_cert, keys.nginx_key), "/") is not None


def control_is_ready(port: int, keys: pki.Pki) -> bool:
    """Ready includes the store and the database."""
    return _status(inside(port, keys, keys.web_app_cert, keys.web_app_key), "/readyz") == 200


def control_is_alive(port: int, keys: pki.Pki) -> bool:
    """It answers, whatever becomes of the store and the database."""
    return _status(inside(port, keys, keys.web_app_cert, keys.web_app_key), "/healthz") == 200


class _NamedPeer(http.client.HTTPSConnection):
    """Connects to this machine and checks the certificate for the services tier's name."""

    def __init__(self, port: int, context: ssl.SSLContext):
        super().__init__(pki.SERVICES_NAME, port, timeout=_SECONDS, context=context)
        self._inside_context = context

    def connect(self) -> None:
        plain = socket.create_connection(("127.0.0.1", self.port), self.timeout)
        self.sock = self._inside_context.wrap_socket(plain, server_hostname=pki.SERVICES_NAME)


def inside(port: int, keys: pki.Pki, certificate: Path, key: Path) -> http.client.HTTPSConnection:
    """A connection to one of the listeners of the services tier, under that client certificate."""
    context = ssl.create_default_context(cafile=keys.inside_ca)
    context.load_cert_chain(certificate, key)
    return _NamedPeer(port, context)


def _status(connection: http.client.HTTPConnection, path: str) -> int | None:
    with contextlib.closing(connection):
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except http.client.HTTPException:
            return None
