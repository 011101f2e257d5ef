import contextlib
import hashlib
import threading

from dev.client import Client
from tests.tokens import mint
from tests.waiting import wait_for


@contextlib.contextmanager
def running_upload(stack):
    """A PUT whose second half is sent when everything in the block has been done; it must end in 201."""
    half, go_on, told, token = b"x" * (1 << 20), threading.Event(), [], mint(stack)

    def body():
        yield half
        go_on.wait(120)
        yield half

    def send():
        told.append(Client(stack.edge_port, stack.keys.edge_ca).send("PUT", f"/u/{token}", body(), 2 * len(half), {}))

    sender = threading.Thread(target=send)
    sender.start()
    try:
        wait_for(lambda: any(file.stat().st_size for file in stack.staged()))
        yield
    finally:
        go_on.set()
        sender.join(60)
    assert (told[0].status, told[0].json()["sha256"]) == (201, hashlib.sha256(2 * half).hexdigest())
