"""Many items in one command, each by itself: what fails is named and counted, and the others get their turn."""

import contextlib
import logging
from collections.abc import Iterator

from django.core.management.base import CommandError
from django.db import Error, close_old_connections, connection

from .faults import in_words

log = logging.getLogger("sluice.batch")

_FAULTS_AT_MOST = 2


class Batch:
    """`failed` counts the items that failed. Ids and causes go to `stderr` and into the log, never names or paths."""

    def __init__(self, stderr):
        self.failed, self._stderr, self._faults = 0, stderr, 0

    @contextlib.contextmanager
    def item(self, kind: str, item_id: object = "") -> Iterator[None]:
        """Whatever goes wrong in this block ends it, and not the command.

        But the second fault of the database in a row, for which each of the others would wait as long: CommandError.
        """
        before = self.failed
        try:
            yield
            if self.failed == before:
                self._faults = 0
        except CommandError:
            raise
        except Exception as exc:  # whatever it was
            self.fail(kind, item_id, cause(exc))
            log.error("item failed", extra={"kind": kind, "item_id": str(item_id)}, exc_info=True)
            if not connection.in_atomic_block:
                close_old_connections()  # one that broke is opened anew for the next item
            self._faults = self._faults + 1 if isinstance(exc, Error) else 0
            if self._faults == _FAULTS_AT_MOST:
                raise CommandError(
                    f"The database cannot be used now ({in_words(exc) or type(exc).__name__}): the rest was not tried. "
                    "Nothing is lost; run this again when the cause is gone."
                ) from exc

    def fail(self, kind: str, item_id: object, why: str) -> None:
        """Note a failure that was no exception."""
        self.failed += 1
        with contextlib.suppress(OSError):  # of a full disk, behind a pipe
            self._stderr.write(f"{kind} {item_id}".strip() + f": {why}")

    def end(self) -> None:
        """Raises CommandError, which makes the exit code, if something failed."""
        if self.failed:
            raise CommandError(f"{self.failed} failed, as named above. Nothing is lost; run this again when the cause is gone.")


def cause(exc: BaseException) -> str:
    """Classes, errnos and database faults of an exception and of what caused it, innermost last: no message, which may quote a path."""
    said = type(exc).__name__
    if words := in_words(exc):
        return f"{said} ({words})"
    if isinstance(exc, OSError) and exc.errno is not None:
        said += f" (errno {exc.errno})"
    return said if exc.__cause__ is None else f"{said}, from {cause(exc.__cause__)}"
