"""The whole on PostgreSQL: many senders on few connections, kills, and a server that is away for a while."""

import hashlib
import os
import threading

import pytest

from dev.bootstrap import Missing
from dev.client import Client
from dev.postgres import Server
from dev.stack import Stack
from tests.conftest import absent
from tests.curl import bearer, curl
from tests.faults.slow_sender import Sender, wait_until_taken
from tests.faults.test_kills import append, objects_with, staged, state_of
from tests.tokens import mint
from tests.waiting import wait_for

MIB = 1 << 20
CONNECTIONS = 3  # for each process


@pytest.fixture(scope="module")
def server():
    try:
        made = Server()
    except Missing as missing:
        absent(str(missing))
    with made:
        yield made


@pytest.fixture(scope="module")
def own(server, tmp_path_factory):
    few = {"DATABASE_CONNECTIONS": str(CONNECTIONS)}
    services = {"DATABASE_URL": server.url("services"), **few}
    env = {"web_app": {"DATABASE_URL": server.url("web"), **few}, "uploads": services, "control": services}
    with Stack(tmp_path_factory.mktemp("postgresql"), env=env) as stack:
        yield stack


@pytest.fixture
def client(own):
    return Client(own.edge_port, own.keys.edge_ca, own.api_key)


class Trickle:
    """A PUT that sends `first` at once, then a little again and again, and the rest after `end`."""

    def __init__(self, client, token: str):
        self.content, self._end, self._replies = bytearray(), threading.Event(), []
        put = lambda: self._replies.append(client.put(token, self._body(), chunked=True))  # noqa: E731
        self._thread = threading.Thread(target=put, daemon=True)
        self._thread.start()

    def _body(self):
        yield self._more(16 * MIB)
        while not self._end.wait(0.1):
            yield self._more(64 << 10)
        yield self._more(16 * MIB)

    def _more(self, size: int) -> bytes:
        piece = os.urandom(size)
        self.content += piece
        return piece

    def end(self):
        self._end.set()
        self._thread.join(120)
        return self._replies[0]


def test_put_and_tus_end_with_receipts_that_web_app_verifies(own, client):
    for length in (2 * MIB, None):
        grant, content = client.new_grant(own.collection), os.urandom(2 * MIB)
        if length is not None:
            reply = client.put(grant["token"], content)
            assert reply.status == 201
        else:
            fields = ("-H", "Tus-Resumable: 1.0.0", "-H", f"Upload-Length: {len(content)}")
            created = curl(own, "/u", "-X", "POST", *fields, *bearer(grant["token"]))
            upload_id = created.headers["location"].rsplit("/", 1)[1]
            assert append(own, grant["token"], upload_id, 0, content).status == 204
        (upload,) = state_of(own, grant["token"])["uploads"]
        assert upload["sha256"] == hashlib.sha256(content).hexdigest()
        assert client.hand_in(upload["receipt"])["state"] == "complete"


def test_many_senders_are_few_connections(own, server):
    content = os.urandom(MIB)
    senders = [Sender(own, mint(own), content, content) for _ in range(12)]
    receiving = lambda: len(staged(own)) == 12 and min(os.stat(own.nas / "staging" / one).st_size for one in staged(own))  # noqa: E731
    wait_for(lambda: (receiving() or 0) >= MIB // 2)
    with server.connect() as connection:
        held = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = 'services'").fetchone()[0]
    assert held <= 2 * CONNECTIONS, "two processes"
    for sender in senders:
        sender.go_on()
    assert [sender.reply().status for sender in senders] == [201] * 12


def test_services_app_killed_in_the_middle_is_a_503_and_the_same_token_works_again(own, client):
    token, first, rest = mint(own), os.urandom(16 * MIB), os.urandom(16 * MIB)
    sender = Sender(own, token, first, rest)
    wait_until_taken(own, 8 * MIB)
    own.kill("uploads")
    sender.go_on()
    assert sender.reply().status == 503
    own.start_process("uploads")
    assert state_of(own, token)["state"] == "waiting"
    assert client.put(token, first + rest).status == 201
    assert objects_with(own, first + rest) == 1 and staged(own) == []


def test_a_server_that_is_away_for_a_while_refuses_what_is_new_and_ends_nothing_that_runs(own, client, server):
    running, waiting = Trickle(client, mint(own)), mint(own)
    wait_until_taken(own, 8 * MIB)
    server.stop()
    try:
        refused = wait_for(lambda: (a := client.put(waiting, b"new")).status == 503 and a)
        assert (refused.json()["code"], int(refused.headers["Retry-After"]) > 0) == ("database_unavailable", True)
        # A checkpoint was due and could not be saved; bytes are taken on.
        wait_for(lambda: '"not promised yet"' in own.log("uploads").read_text())
    finally:
        server.start()
    reply = running.end()
    assert reply.status == 201
    assert reply.json()["sha256"] == hashlib.sha256(running.content).hexdigest()
    assert objects_with(own, bytes(running.content)) == 1 and staged(own) == []
    # Nothing was restarted.
    assert client.put(waiting, b"new").status == 201
    grant = client.new_grant(own.collection)
    assert client.hand_in(client.put(grant["token"], b"and through everything").json()["receipt"])["state"] == "complete"
    own.manage("services_app", "verify_ledger")
