"""Other people's clients on a real stack, over a line that tests can slow down and cut."""

import dataclasses
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.client import Client
from dev.paths import STATE
from dev.stack import Stack
from tests.browser.line import Line
from tests.clients.program import Program
from tests.conftest import JS
from tests.curl import bearer, curl
from tests.waiting import wait_for

HERE = Path(__file__).resolve().parent
MIB = 1 << 20
SIZE = 24 * MIB + 12345  # no multiple of any chunk
SLOW = 16 * MIB  # bytes a second: leaves a second in which to interfere


@pytest.fixture(scope="package")
def own() -> Iterator[Stack]:
    """A stack that these tests may break, with a collection for several files under one token."""
    folder = STATE / "test" / f"stack-clients-{os.getpid()}"
    folder.mkdir(parents=True)
    with Stack(folder) as stack:
        stack.create_collection("several", "--max-uploads", "3")
        yield stack
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def line(own) -> Iterator[Line]:
    with Line(own.edge_port) as line:
        yield line


@pytest.fixture(scope="session")
def file(tmp_path_factory) -> Path:
    """Noise, so that no part of it passes for another."""
    path = tmp_path_factory.mktemp("file") / "scan of Jürg.bin"
    path.write_bytes(os.urandom(SIZE))
    return path


@dataclasses.dataclass(frozen=True)
class Place:
    """One grant, where a client reaches it over the line, and what became of it as seen past the line."""

    stack: Stack
    token: str
    url: str
    objects_before: frozenset[str]

    def state(self) -> dict:
        return curl(self.stack, "/u", *bearer(self.token)).json()

    def wait_until_taken(self, count: int) -> dict:
        """The running upload, once the services tier has taken so many of its bytes."""
        return wait_for(lambda: next((u for u in self.state().get("uploads", []) if u["taken"] >= count), None))

    def only_upload(self) -> dict:
        """The one upload that was ever begun under the grant: nobody started anew."""
        (upload,) = self.state()["uploads"]
        return upload

    def assert_stored_once(self, *files: Path) -> None:
        """One committed object for each file, with its SHA-256 in the answer and on the NAS, and nothing else new."""
        wanted = sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
        committed = [upload for upload in self.state()["uploads"] if upload["state"] == "committed"]
        assert sorted(upload["sha256"] for upload in committed) == wanted
        ids = {upload["upload_id"] for upload in committed}
        assert stored_ids(self.stack) - self.objects_before == ids
        stored = [hashlib.sha256(self.stack.stored(upload_id).read_bytes()).hexdigest() for upload_id in ids]
        assert sorted(stored) == wanted


def stored_ids(stack: Stack) -> frozenset[str]:
    return frozenset(folder.name for folder in stack.nas.glob("collections/*/*/*/*"))


@pytest.fixture
def place(own, line) -> Place:
    return new_place(own, line, own.collection)


def new_place(stack: Stack, line: Line, collection: str) -> Place:
    grant = Client(stack.edge_port, stack.keys.edge_ca, stack.api_key).new_grant(collection)
    return Place(stack, grant["token"], f"https://localhost:{line.port}/u/{grant['token']}", stored_ids(stack))


@pytest.fixture
def python_client(own):
    """A function: start tests/clients/<name>.py with a plan."""
    # requests knows the first, OpenSSL (and so aiohttp) the second.
    trust = {"REQUESTS_CA_BUNDLE": own.keys.edge_ca, "SSL_CERT_FILE": own.keys.edge_ca}
    return lambda name, **plan: Program([sys.executable, HERE / f"{name}.py"], plan, trust)


@pytest.fixture
def tus_js(own, node_modules):
    """A function: start tus-js-client with a plan."""
    trust = {"NODE_EXTRA_CA_CERTS": own.keys.edge_ca}
    command = ["node", JS / "upload.mjs", node_modules]
    return lambda **plan: Program(command, plan, trust)
