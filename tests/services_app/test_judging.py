"""Contents are judged by turns: of one person one at a time, of all a few (ADR 0026)."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from services_app.uploads.content import media, receive
from tests.services_app.making import announced, begun, claims_object, request_body
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("known_store")]


class Judge:
    """In place of media.detect: who is judged waits until it may go on."""

    def __init__(self):
        self.at, self._lock, self.go_on = [], threading.Lock(), threading.Event()

    def detect(self, head: bytes) -> str:
        with self._lock:
            self.at.append(head)
        self.go_on.wait(20)
        return "text/plain"


def test_of_one_person_one_is_judged_at_a_time_and_another_person_need_not_wait(monkeypatch, nas, settings):
    judge, settings.LISTENER = Judge(), "uploads"
    monkeypatch.setattr(media, "detect", judge.detect)

    def put(sub):
        try:
            claims = claims_object(sub=sub)
            receive.receive(begun(claims, announced(len(sub))), request_body(sub.encode()), claims, receive.Append(creating=True))
        finally:
            connection.close()

    with ThreadPoolExecutor(7) as pool:
        try:
            greedy = [pool.submit(put, "greedy") for _ in range(6)]
            wait_for(lambda: [path.stat().st_size for path in (nas / "staging").iterdir()] == [6] * 6, 20)
            other = pool.submit(put, "other")
            wait_for(lambda: b"other" in judge.at, 20)
            assert judge.at == [b"greedy", b"other"]
        finally:
            judge.go_on.set()
        assert [each.result() for each in (*greedy, other)] == [None] * 7
    assert len(judge.at) == 7
