"""nginx's request id stands in each log line of the request, and goes along to the services tier."""

import json
import logging

import pytest

from web_app.config.logs import JsonFormatter
from web_app.config.request_id import RequestIdMiddleware
from web_app.storage.internal_api import InternalApi

ID = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("given", "kept"), [(ID, ID), ("", None), (ID.upper(), None), (ID[:-1], None), ("canary-patient-name", None), (ID + "\n", None)]
)
def test_what_is_logged_and_asked_in_a_request_carries_its_id_if_it_has_the_form_of_one(rf, monkeypatch, given, kept):
    asked, lines = [], []

    class Pool:
        def request(self, method, url, headers, **how):
            asked.append(headers.get("X-Request-Id"))
            raise AssertionError

    api = InternalApi.__new__(InternalApi)
    api._pool, api._url, api._headers = Pool(), "https://services", {"Host": "services"}

    def view(request):
        lines.append(JsonFormatter().format(logging.makeLogRecord({"name": "web_app.x", "msg": "event"})))
        with pytest.raises(AssertionError):
            api.ask("GET", "grants/1")

    RequestIdMiddleware(view)(rf.get("/", headers={"X-Request-Id": given}))
    assert ([json.loads(line).get("request") for line in lines], asked) == ([kept], [kept])
    view(None)
    assert "request" not in lines[1] and asked[1] is None, "the next one in this thread has none of it"
