"""Logs: one JSON object a line on stderr, made of event words, ids and counts.

Names, paths, tokens and payloads never get in: an exception is logged as its class, errno and places in the code,
not as its message, since messages of OSError and of parsers quote what they were given.
"""

import json
import logging
import traceback
from datetime import UTC, datetime

from . import request_id

_STANDARD = set(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Format a record of our own, where what is given as `extra=` becomes fields, or one of somebody else's.

    Theirs quote what they were given (request lines, header values), so only the template and numbers are kept; a text
    without arguments may have been put together from anything.
    """

    def format(self, record: logging.LogRecord) -> str:
        ours = record.name.startswith("sluice.")
        line = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage() if ours else _template(record),
        }
        if ours:
            line.update({k: v for k, v in vars(record).items() if k not in _STANDARD and not k.startswith("_")})
        if request := request_id.current():
            line["request"] = request
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = describe(record.exc_info[1])
        return json.dumps(line, default=str)


class NotOneByOne(logging.Filter):
    """gunicorn warns of each malformed request, in a text made of what was sent: nothing could be told but that there was one.
    DrainingWorker counts them.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not (isinstance(record.msg, str) and record.msg.startswith("Invalid request from ip="))


def _template(record: logging.LogRecord) -> str:
    if not isinstance(record.msg, str) or not record.args:
        return "(withheld)"
    if not isinstance(record.args, tuple):
        return record.msg
    try:
        return record.msg % tuple(argument if isinstance(argument, int) else "…" for argument in record.args)
    except (TypeError, ValueError):
        return record.msg


def describe(exc: BaseException) -> dict:
    """The class, errno and frames of `exc` and of what caused it, without any message."""
    frames = [f"{f.name}:{f.lineno}" for f in traceback.extract_tb(exc.__traceback__)]
    entry = {"class": type(exc).__name__, "frames": frames[-12:]}
    if isinstance(exc, OSError) and exc.errno is not None:
        entry["errno"] = exc.errno
    if exc.__cause__ is not None:
        entry["cause"] = describe(exc.__cause__)
    return entry


def logging_config(level: str) -> dict:
    """A dictConfig. Django's request loggers print paths and arguments, so they are switched off here."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "services_app.config.logs.JsonFormatter"}},
        "filters": {"not_one_by_one": {"()": NotOneByOne}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            "sluice": {"level": level},
            "gunicorn.error": {"level": "INFO", "handlers": ["stderr"], "propagate": False, "filters": ["not_one_by_one"]},
            "django.request": {"level": "CRITICAL", "handlers": [], "propagate": False},
            "django.security": {"level": "CRITICAL", "handlers": [], "propagate": False},
        },
    }
