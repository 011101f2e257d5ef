"""web_app's numbers for Prometheus. No listener tells them: nginx has none that it could route by mistake (ADR 0030)."""

import contextlib
import logging
import os
import tempfile
import time
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections

from web_app.metrics.found import Found
from web_app.metrics.shared import told
from web_app.status import report

logger = logging.getLogger(__name__)
_DAY = 86400


class Command(BaseCommand):
    help = "Print this tier's metrics in Prometheus' text format, or keep them in a file for node_exporter's textfile collector."
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("--to", type=Path, metavar="FILE", help="replace this file, whole, readable by all; its name ends in .prom")
        parser.add_argument("--every", type=int, metavar="SECONDS", help="go on, with a pause between")

    def handle(self, *args, to, every, **options):
        if every is not None and (to is None or not 1 <= every <= _DAY):
            raise CommandError("--every takes a number of seconds, from 1 to 86400 (a day), and needs --to.")
        if every is None:
            self._once(to)
            return
        while True:
            try:
                self._once(to)
            except Exception as exc:  # a full disk, a damaged file of numbers, whatever it was: the next round may go well
                logger.error("round_failed", exc_info=True)
                self._say(str(exc) if isinstance(exc, CommandError) else f"The numbers cannot be told ({type(exc).__name__}).")
            time.sleep(every)
            close_old_connections()

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError):  # of a full disk, behind a pipe
            self.stderr.write(text)

    def _once(self, to: Path | None) -> None:
        text = told(Found(report.report()))
        if to is None:
            self.stdout.write(text.decode())
            return
        try:
            _replace(to, text)
        except OSError as exc:
            raise CommandError(f"The file cannot be written ({type(exc).__name__}).") from exc


def _replace(path: Path, content: bytes) -> None:
    """Whoever reads it finds the old or the new one."""
    fd, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(fd, "wb") as file:
            os.fchmod(fd, 0o644)
            file.write(content)
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
