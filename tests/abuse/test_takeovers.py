"""One member's requests take one upload from each other without end: the others are served meanwhile."""

import contextlib
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor

from tests.curl import bearer, curl
from tests.tokens import mint
from tests.waiting import wait_for

CROWD = 30
TUS = ("--header", "Tus-Resumable: 1.0.0")


def test_a_crowd_that_takes_one_upload_from_each_other_keeps_nobody_waiting(own, bystander):
    token = mint(own, sub="greedy")
    made = curl(own, "/u", "--request", "POST", *TUS, "--header", "Upload-Length: 1048576", *bearer(token))
    assert made.status == 201
    path, over, told = made.headers["location"], threading.Event(), []
    context = ssl.create_default_context(cafile=own.keys.edge_ca)
    head = (
        f"PATCH {path[path.index('/u/'):]} HTTP/1.1\r\nHost: localhost:{own.edge_port}\r\nAuthorization: Bearer {token}\r\n"
        "Tus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\nContent-Length: 900000\r\n\r\nx"
    )

    def take(number: int) -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                source = (f"127.0.1.{number % 12 + 1}", 0)
                with socket.create_connection(("127.0.0.1", own.edge_port), 4, source_address=source) as plain:
                    with context.wrap_socket(plain, server_hostname="localhost") as wire:
                        wire.sendall(head.encode())
                        told.append(wire.recv(4096)[9:12])
            # More would measure what handshakes cost the machine that plays both sides; of the bound itself speaks
            # tests/services_app/test_takeover.py.
            over.wait(1)

    with ThreadPoolExecutor(CROWD) as crowd:
        for number in range(CROWD):
            crowd.submit(take, number)
        try:
            wait_for(lambda: len(told) > CROWD)
            for _ in range(3):
                assert bystander.uploads()
        finally:
            over.set()
    assert b"423" in told
