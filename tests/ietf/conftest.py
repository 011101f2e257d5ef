"""The specification as tests: draft-ietf-httpbis-resumable-upload, one test per MUST and SHOULD that binds a server.

Sections are those of -12 (July 2026); ADR 0015 says which of the changes after it are followed, and where it is left.
"""

import time

import pytest

from tests.ietf.speaker import Speaker
from tests.tokens import mint
from tests.waiting import wait_for


@pytest.fixture
def speak(stack):
    """A function: a client with a token of its own; arguments are claims."""
    return lambda **claims: Speaker(stack, mint(stack, **claims))


@pytest.fixture
def client(speak):
    """A client whose token is good for one upload."""
    return speak()


@pytest.fixture
def begun(client):
    """The same, with an upload that holds the bytes `hello` and is not complete."""
    assert client.create(b"hello").status == 201
    return client


@pytest.fixture
def stored(stack):
    """A function: the bytes that stand in the store under an upload's Location."""
    return lambda location: stack.stored(location.rsplit("/", 1)[1]).read_bytes()


@pytest.fixture
def under_way():
    """A function: wait until a request is sending to the client's upload, and what it has sent so far has arrived."""

    def wait(client: Speaker) -> None:
        wait_for(lambda: client.send("GET", client.home).json()["state"] == "receiving", 10)
        time.sleep(0.2)  # it lies in a buffer of the services tier, where nothing shows it

    return wait


@pytest.fixture
def nothing_stored(stack):
    """A function: that nothing is visible under an upload's id."""

    def check(upload_id: str) -> None:
        assert not list(stack.nas.glob(f"collections/*/*/*/{upload_id}"))

    return check
