"""Hooks, and files that are stored for them."""

import contextlib
import json
import os
import stat
import subprocess
import sys
import textwrap
import time
from io import StringIO
from pathlib import Path

from tests.services_app.making import (
    COLLECTION,
    INTERNAL_KEY,
    a_zip,
    announced,
    claims_object,
    now_of,
    received,
    request_body,
)

ROOT = Path(__file__).resolve().parents[2]
LONG_AGO = "2020-01-01T00:00:00Z"


def write_hooks(settings, path: Path, *hooks: dict) -> None:
    """HOOKS_FILE with these, each good but for what it says itself."""
    from services_app.hooks import configured

    tables = [{"name": "index", "kind": "command", "collections": "all", "since": LONG_AGO, **hook} for hook in hooks]
    path.write_text("".join(f"[[hook]]\n{''.join(map(_line, table.items()))}\n" for table in tables))
    path.chmod(0o640)
    settings.HOOKS_FILE = str(path)
    configured.hooks.forget()


def _line(item: tuple) -> str:
    key, value = item
    return "" if value is None else f"{key} = {value if key == 'since' else json.dumps(value)}\n"


def script(path: Path, *lines: str) -> list[str]:
    """A program of these lines of shell."""
    path.write_text(textwrap.dedent("#!/bin/sh\n" + "\n".join(lines) + "\n"))
    path.chmod(0o755)
    assert path.stat().st_mode & stat.S_IXUSR
    return [str(path)]


def stored(content: bytes = b"a small file", collection: str = COLLECTION, **claims):
    """A committed upload."""
    body, claims = a_zip(content), claims_object(collection=collection, **claims)
    upload = now_of(received(request_body(body), claims, announced(len(body), name="canary.zip")))
    assert upload.receipt
    return upload


def hand_on(**options) -> str:
    """All that is due now, in this process."""
    from django.core.management import call_command

    out = StringIO()
    call_command("outbox", **options, stdout=out)
    return out.getvalue().strip()


def process_one_round(patience: float = 30) -> None:
    """One try of whatever is due, each for so many seconds at most."""
    from services_app.outbox.worker import Worker

    at_work = Worker()
    at_work.step()
    while at_work.is_busy:
        before = time.monotonic()
        at_work.wait(patience)
        assert time.monotonic() - before < patience
        at_work.record()
    at_work.settle()


@contextlib.contextmanager
def worker(settings, *options: str):
    """`manage.py outbox` as a process of its own, on this test's database and store, for the length of a `with` block."""
    env = {**os.environ, "HOOKS_FILE": settings.HOOKS_FILE, "NAS_ROOT": str(settings.NAS_ROOT), "DATABASE_URL": _database()}
    env |= {
        "RECEIPT_KEY_FILE": settings.RECEIPT_KEY_FILE,
        "RECEIPT_ISSUER": settings.RECEIPT_ISSUER,
        "INTERNAL_API_KEY": INTERNAL_KEY,
    }
    process = subprocess.Popen([sys.executable, ROOT / "services_app" / "manage.py", "outbox", *options], env=env)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _database() -> str:
    from django.db import connection

    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{name}"
