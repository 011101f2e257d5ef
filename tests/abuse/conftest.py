"""Attacks on a real stack, bounded in count and time. The measure is the bystander: an innocent sender, at another address."""

import json
import os
import time

import pytest

from dev.stack import Stack
from tests.curl import bearer, curl

ELSEWHERE = "127.0.0.9"  # attackers come from 127.0.0.1
PATIENCE = 10.0  # seconds from asking for a grant to 201, whatever the others do; on two cores that play both sides it takes up to four


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A stack that these tests may wear down."""
    with Stack(tmp_path_factory.mktemp("abuse")) as stack:
        yield stack


class Bystander:
    """Another person than the demo user, a member of the same collection."""

    def __init__(self, stack: Stack):
        self.stack = stack
        user = {"DJANGO_SUPERUSER_USERNAME": "bystander", "DJANGO_SUPERUSER_EMAIL": "bystander@example.org"}
        stack.manage("web_app", "createsuperuser", "--noinput", env=user | {"DJANGO_SUPERUSER_PASSWORD": os.urandom(12).hex()})
        stack.manage("web_app", "create_collection", stack.collection, "--title", "Demo", "--member", "bystander")
        self.api_key = stack.create_api_key("bystander")

    def uploads(self) -> str:
        """Ask for a grant and send 1 MiB; the upload's id. Fails unless it ends in 201 within PATIENCE."""
        started = time.monotonic()
        grant = self._ask("/api/v1/uploads", *self._json({"collection": self.stack.collection}), *bearer(self.api_key))
        assert grant.status == 201, grant
        options = ("--request", "PUT", "--data-binary", "@-", "--header", "Content-Type: application/octet-stream")
        answer = self._ask("/u", *options, *bearer(grant.json()["token"]), body=b"a file of an innocent sender\n" * 36_158)
        seconds = time.monotonic() - started
        assert answer.status == 201, answer
        assert seconds < PATIENCE, f"{seconds:.1f} s"
        return answer.json()["upload_id"]

    def _json(self, body: dict) -> tuple[str, ...]:
        return "--header", "Content-Type: application/json", "--data", json.dumps(body)

    def _ask(self, path: str, *options: str, body: bytes = b""):
        return curl(self.stack, path, "--interface", ELSEWHERE, *options, time_limit=PATIENCE + 5, stdin=body)


@pytest.fixture(scope="module")
def bystander(own):
    return Bystander(own)
