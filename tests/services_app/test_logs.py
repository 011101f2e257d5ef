"""Logs: events, ids and counts. The canary is a word that an error's message quotes; it must never come out."""

import collections
import io
import json
import logging
import logging.config

import pytest

from services_app.config.logs import JsonFormatter, logging_config

CANARY = "canary-patient-name"


@pytest.fixture
def logged():
    """A function: log by this call on a logger with our formatter; return the line and what it says."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.Logger("sluice.test")
    logger.addHandler(handler)

    def log(call):
        call(logger)
        lines = stream.getvalue().splitlines()
        assert len(lines) == 1
        return lines[0], json.loads(lines[0])

    return log


def fail(exc, cause=None):
    try:
        raise exc from cause
    except type(exc) as raised:
        kept = raised
    return lambda logger: logger.error("it failed", exc_info=kept, extra={"upload_id": "u1"})


def test_a_record_is_one_line_of_json_with_time_level_logger_event_and_ids(logged):
    _, said = logged(lambda logger: logger.info("committed", extra={"upload_id": "u1", "size": 5}))
    assert said.pop("ts").endswith("+00:00")
    assert said == {"level": "info", "logger": "sluice.test", "message": "committed", "upload_id": "u1", "size": 5}


@pytest.mark.parametrize(
    "exc",
    [
        OSError(2, CANARY, CANARY),
        FileNotFoundError(2, "No such file", f"/nas/{CANARY}"),
        ValueError(CANARY),
        KeyError(CANARY),
        UnicodeDecodeError("utf-8", CANARY.encode(), 0, 1, CANARY),
        json.JSONDecodeError(CANARY, CANARY, 0),
        ExceptionGroup(CANARY, [ValueError(CANARY)]),
    ],
    ids=lambda exc: type(exc).__name__,
)
def test_an_exception_is_told_by_class_and_place_never_by_message(logged, exc):
    line, said = logged(fail(exc))
    assert CANARY not in line
    assert said["error"]["class"] == type(exc).__name__ and said["error"]["frames"]
    assert said["error"].get("errno") == getattr(exc, "errno", None)


def test_a_cause_is_told_the_same_way(logged):
    line, said = logged(fail(RuntimeError(CANARY), OSError(28, CANARY)))
    assert CANARY not in line
    assert said["error"]["cause"]["class"] == "OSError" and said["error"]["cause"]["errno"] == 28


def test_notes_and_the_stack_do_not_come_out(logged):
    exc = ValueError("x")
    exc.add_note(CANARY)
    line, _ = logged(fail(exc))
    assert CANARY not in line


def test_a_line_break_cannot_forge_a_second_line(logged):
    _, said = logged(lambda logger: logger.info("a\n{}", extra={"upload_id": "x\ny"}))
    assert said["upload_id"] == "x\ny"


def test_what_is_not_json_is_still_logged(logged):
    import uuid

    one = uuid.uuid4()
    _, said = logged(lambda logger: logger.info("claimed", extra={"upload_id": one}))
    assert said["upload_id"] == str(one)


@pytest.fixture
def configured():
    """The logging of a running process, its stderr in a buffer; undone afterwards."""
    root = logging.getLogger()
    names = ("sluice", "gunicorn.error", "django.request", "django.security", "django.db.backends")
    kept = [(log, log.handlers[:], log.level, log.propagate) for log in (root, *map(logging.getLogger, names))]
    stream, config = io.StringIO(), logging_config("DEBUG")
    config["handlers"]["stderr"]["stream"] = stream
    logging.config.dictConfig(config)
    yield stream
    for log, handlers, level, propagate in kept:
        log.handlers[:], log.level, log.propagate = handlers, level, propagate


@pytest.mark.parametrize("name", ["django.request", "django.security", "django.security.DisallowedHost"])
def test_loggers_that_print_paths_are_silent(configured, name):
    logging.getLogger(name).error("Not Found: %s", f"/u/{CANARY}", extra={"request": CANARY})
    logging.getLogger(name).warning(CANARY)
    assert configured.getvalue() == ""


@pytest.mark.parametrize("name", ["sluice.uploads", "gunicorn.error", "some.library"])
def test_all_other_loggers_write_json(configured, name):
    logging.getLogger(name).warning("stopped")
    assert json.loads(configured.getvalue())["logger"] == name


def test_gunicorns_tracebacks_come_without_messages(configured):
    fail(ValueError(CANARY))(logging.getLogger("gunicorn.error"))
    assert CANARY not in configured.getvalue() and "ValueError" in configured.getvalue()


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("Error handling request %s %s", ("GET", f"/internal/v1/{CANARY}")),
        ("Ignoring connection reset, url %(url)s", ({"url": CANARY},)),
        (ValueError(CANARY), ()),
    ],
)
def test_a_servers_message_that_quotes_the_request_comes_without_it(configured, message, arguments):
    logging.getLogger("gunicorn.error").warning(message, *arguments, extra={"request": CANARY})
    assert configured.getvalue() and CANARY not in configured.getvalue()


def test_what_a_server_says_of_each_malformed_request_is_counted_and_told_once(configured, monkeypatch):
    """gunicorn's warning is one text, made of what was sent: nothing of it could be told but that there was one."""
    from gunicorn.http.errors import InvalidHeader
    from gunicorn.workers.gthread import ThreadWorker

    from services_app.config.worker import DrainingWorker

    warning = logging.getLogger("gunicorn.error").warning
    monkeypatch.setattr(ThreadWorker, "handle_error", lambda *args: warning(f"Invalid request from ip=192.0.2.1: {CANARY}"))
    worker = DrainingWorker.__new__(DrainingWorker)
    worker._arriving, worker._ended, worker._tell_at = {}, collections.Counter(), 0.0
    for _ in range(3):
        worker.handle_error(None, None, None, InvalidHeader(CANARY))
    worker.murder_pending()
    said = [json.loads(line) for line in configured.getvalue().splitlines()]
    assert [(line["message"], line.get("malformed")) for line in said] == [("connections ended before a request", 3)]


def test_numbers_in_a_servers_message_are_kept(configured):
    logging.getLogger("gunicorn.error").error("Worker (pid:%s) exited with code %s.", 7, 3)
    assert json.loads(configured.getvalue())["message"] == "Worker (pid:7) exited with code 3."


def test_progress_is_logged_at_debug_only():
    assert logging_config("INFO")["loggers"]["sluice"]["level"] == "INFO"
