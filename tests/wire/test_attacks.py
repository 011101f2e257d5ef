"""Requests that break a rule, sent raw to a whole Sluice: the exact answer, and nobody behind it saw more."""

import base64
import hashlib
import json
import secrets
import socket
import ssl
from pathlib import Path

import pytest

from tests.nginx.rig import Answer
from tests.tokens import expired, mint
from tests.waiting import wait_for
from tests.wire.attack import Attack

FILES = sorted((Path(__file__).parent / "attacks").glob("*.http"))
SECONDS = 10


@pytest.fixture
def values(sluice) -> dict[str, str]:
    binding = secrets.token_urlsafe(32)
    digest = base64.urlsafe_b64encode(hashlib.sha256(binding.encode()).digest()).rstrip(b"=").decode()
    return {
        "host": f"localhost:{sluice.edge_port}",
        "token": mint(sluice),
        "bound": mint(sluice, cnf={"cookie_sha256": digest}),
        "binding": binding,
        "expired": expired(sluice),
    }


def test_there_are_attacks():
    assert len(FILES) > 100


@pytest.fixture
def address(request) -> str:
    """One for each attack, so that its lines in the log can be told from those of others, which may come late."""
    number = FILES.index(request.getfixturevalue("path")) + 1
    return f"127.0.{2 + number // 250}.{1 + number % 250}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_outcome_is_exactly_the_one_that_the_file_names(sluice, values, path, address):
    attack = Attack.read(path)
    log = sluice.prefix / "logs" / "access.json"
    size, stored, staged = log.stat().st_size, _stored(sluice), _staged(sluice)

    answers = _send(sluice, attack.sent(**values), len(attack.expect), address)
    told = [_told(answer) for answer in answers]
    assert told in [expected for expected, _ in attack.outcomes()], attack.why

    def lines():
        written = log.read_bytes()[size:].decode().splitlines()
        return [line for line in map(json.loads, written) if line["client"] == address]

    wait_for(lambda: len(lines()) >= len(told), SECONDS)
    assert (told, [_reached(line) for line in lines()]) in attack.outcomes(), "one line an answer, and no request more"
    assert len(_stored(sluice)) - len(stored) == sum(status.startswith("201") for status in told)
    assert _staged(sluice) == staged


def test_after_all_of_them_everything_still_answers(sluice, values):
    head = "GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".format(**values)
    assert _told(_send(sluice, head.encode(), 1)[0]) == "200"
    put = "PUT /u/{token} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nhello".format(**values)
    assert _told(_send(sluice, put.encode(), 1)[0]) == "201"


def _send(stack, request: bytes, answers: int, address: str = "127.0.1.1") -> list[Answer]:
    """As many answers as are expected, and one more if there is one: an answer too many is a smuggled request."""
    context = ssl.create_default_context(cafile=stack.keys.edge_ca)
    plain = socket.create_connection(("127.0.0.1", stack.edge_port), SECONDS, source_address=(address, 0))
    with context.wrap_socket(plain, server_hostname="localhost") as connection:
        try:
            connection.sendall(request)
        except OSError:
            pass  # closed in the middle: what was answered before still counts
        stream = connection.makefile("rb")
        head_only = request.startswith(b"HEAD ")
        found = [Answer.of(stream, head_only) for _ in range(answers)]
        connection.settimeout(0.2)
        more = Answer.of(stream)
    return found if more.status is None and not more.body else [*found, more]


def _told(answer: Answer) -> str:
    if answer.status is None:
        return "closed" if not answer.body else "no answer that is HTTP"
    return " ".join(filter(None, [str(answer.status), answer.code()]))


def _reached(line: dict) -> str:
    if not line["upstream_status"]:
        return "authorize" if line["authorize_status"] else "nobody"
    if not line["authorize_status"]:
        return "web_app"
    return "uploads" if line["method"] == "PUT" else "control"


def _staged(sluice) -> set[str]:
    return {file.name for file in sluice.staged()}


def _stored(stack) -> set[str]:
    return {folder.name for folder in stack.nas.glob("collections/*/*/*/*")}
