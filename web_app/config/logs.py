"""Logs: one JSON object a line on stderr.

Our own loggers (`web_app.…`) log an event word and, through `extra`, ids, counts and codes. Other people's messages
quote what they were given (request paths, header values, addresses of sockets), so of those only the template is
printed, never its arguments. Of exceptions: class and places in the code, never the text.
"""

import datetime
import json
import logging
import traceback

from web_app.config import request_id

_OF_EVERY_RECORD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}
_FRAMES_SHOWN = 12


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        ours = record.name.startswith("web_app.")
        line = {
            "ts": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": str(record.msg) if ours else _without_arguments(record),
        }
        if ours:
            line.update({key: value for key, value in vars(record).items() if key not in _OF_EVERY_RECORD})
        elif isinstance(getattr(record, "status_code", None), int):
            line["status"] = record.status_code
        if request := request_id.current():
            line["request"] = request
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = described(record.exc_info[1])
        return json.dumps(line, default=lambda value: type(value).__name__)


class NotOneByOne(logging.Filter):
    """gunicorn warns of each malformed request, in a text made of what was sent: nothing could be told but that there was one.
    nginx, which alone can have sent it, has its 400 in the access log.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not (isinstance(record.msg, str) and record.msg.startswith("Invalid request from ip="))


def _without_arguments(record: logging.LogRecord) -> str:
    """The template with numbers filled in and everything else left out.

    A text without arguments may have been put together from anything.
    """
    if not isinstance(record.msg, str) or not isinstance(record.args, tuple) or not record.args:
        return "(withheld)"
    try:
        return record.msg % tuple(one if isinstance(one, int) else "…" for one in record.args)
    except (TypeError, ValueError):
        return record.msg


def described(exc: BaseException) -> dict:
    """Class, errno, code and places of `exc` and of what caused it."""
    about: dict = {"class": type(exc).__name__}
    if isinstance(exc, OSError) and exc.errno is not None:
        about["errno"] = exc.errno
    if isinstance(getattr(exc, "code", None), str):
        about["code"] = exc.code
    places = [f"{frame.f_globals.get('__name__', '?')}:{line}" for frame, line in traceback.walk_tb(exc.__traceback__)]
    if places:
        about["at"] = places[-_FRAMES_SHOWN:]
    if exc.__cause__ is not None:
        about["cause"] = described(exc.__cause__)
    return about


def logging_config(level: str) -> dict:
    """A dictConfig for Django and for gunicorn."""
    ours_alone = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "web_app.config.logs.JsonFormatter"}},
        "filters": {"not_one_by_one": {"()": NotOneByOne}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            "web_app": {"level": level},
            # Django hangs handlers of its own on these; refusals (4xx) stand in nginx's access log already.
            "django": {"level": "WARNING", **ours_alone},
            "django.request": {"level": "ERROR", **ours_alone},
            "django.server": {"level": "ERROR", **ours_alone},
            "gunicorn.error": {"level": "INFO", "filters": ["not_one_by_one"], **ours_alone},
            "gunicorn.access": {"level": "CRITICAL", **ours_alone},
        },
    }
