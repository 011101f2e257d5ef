"""Log lines hold event words, ids, counts and codes: never names, paths, tokens or payloads (invariant 6)."""

import json
import logging
import sys

import pytest

from web_app.config.logs import JsonFormatter, logging_config
from web_app.grants import views

SECRET = "/u/eyJ0b2tlbg/Jane-Doe.zip"


def line(name, text, *args, exc=None, **extra):
    info = None
    if exc is not None:
        try:
            raise exc
        except type(exc):
            info = sys.exc_info()
    record = logging.getLogger(name).makeRecord(name, logging.ERROR, "f.py", 1, text, args, info, extra=extra)
    written = JsonFormatter().format(record)
    assert "\n" not in written
    return written


def test_own_event_is_one_json_object_with_its_ids():
    entry = json.loads(line("web_app.grants", "receipt_refused", grant="019a", code="malformed"))
    assert (entry["level"], entry["logger"], entry["message"]) == ("error", "web_app.grants", "receipt_refused")
    assert (entry["grant"], entry["code"]) == ("019a", "malformed")
    assert entry["ts"].endswith("+00:00")


@pytest.mark.parametrize(
    ("name", "text", "args"),
    [
        ("django.request", "Not Found: %s", (SECRET,)),
        ("django.security.DisallowedHost", f"Invalid HTTP_HOST header: {SECRET}", ()),
        ("gunicorn.error", "Error handling request %s", (SECRET,)),
        ("gunicorn.error", "%(path)s", ({"path": SECRET},)),
        ("urllib3.connectionpool", "Retrying %d: %s", (1, SECRET)),
        ("urllib3.connectionpool", "%d", (SECRET,)),
    ],
)
def test_what_other_peoples_messages_quote_is_left_out(name, text, args):
    assert "Jane" not in line(name, text, *args, request=SECRET)


def test_numbers_in_other_peoples_messages_stay():
    assert json.loads(line("gunicorn.error", "Worker (pid:%s) exited with %s", 12, 3))["message"] == (
        "Worker (pid:12) exited with 3"
    )


def test_exception_is_told_by_class_and_place_but_not_by_text():
    written = line("web_app.x", "failed", exc=FileNotFoundError(2, "No such file", SECRET))
    assert "Jane" not in written
    error = json.loads(written)["error"]
    assert (error["class"], error["errno"]) == ("FileNotFoundError", 2)
    assert error["at"]


def test_cause_of_an_exception_is_told_without_its_text():
    outer = RuntimeError(SECRET)
    outer.__cause__ = ValueError(SECRET)
    written = line("web_app.x", "failed", exc=outer)
    assert "Jane" not in written
    assert json.loads(written)["error"]["cause"]["class"] == "ValueError"


@pytest.mark.django_db
def test_fault_in_a_view_is_a_problem_and_logged_without_the_path(browser, monkeypatch, caplog, person):
    def fails(*args):
        raise RuntimeError(SECRET)

    monkeypatch.setattr(views.policies, "visible_to", fails)
    client = browser(person)
    client.raise_request_exception = False
    response = client.get(f"/api/v1/uploads?{SECRET}")
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert b"Jane" not in response.content
    written = [JsonFormatter().format(record) for record in caplog.records]
    assert any('"django.request"' in one and "RuntimeError" in one for one in written)
    assert not any("Jane" in one for one in written)


def test_what_gunicorn_says_of_each_malformed_request_is_left_to_the_access_log():
    """Its warning is one text, made of what was sent: nothing of it could be told but that there was one."""
    keeps = [made["()"]() for made in logging_config("INFO")["filters"].values()]
    record = logging.getLogger("gunicorn.error").makeRecord
    texts = {f"Invalid request from ip=192.0.2.1: {SECRET}": False, "Worker exiting (pid: %s)": True}
    for text, is_kept in texts.items():
        made = record("gunicorn.error", logging.WARNING, "f.py", 1, text, (), None)
        assert all(one.filter(made) for one in keeps) is is_kept
    assert logging_config("INFO")["loggers"]["gunicorn.error"]["filters"]
