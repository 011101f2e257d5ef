"""What a database's fault is, in words for operators: by its code, never by its message, which may quote a statement or a path."""

from django import db

_SQLITE = {
    "BUSY": "locked",
    "LOCKED": "locked",
    "FULL": "its disk is full",
    "READONLY": "read-only",
    "PERM": "may not be opened",
    "CANTOPEN": "cannot be opened",
    "IOERR": "its disk fails",
    "CORRUPT": "damaged",
    "NOTADB": "damaged",
}
# SQLSTATE, or the first two characters of its class: https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRESQL = {
    "42P01": "tables are missing: has migrate been run?",
    "55P03": "locked",
    "40P01": "locked",
    "57014": "too slow",
    "53100": "its disk is full",
    "53300": "it has too many connections",
    "25006": "read-only",
    "42501": "this user may not do that",
    "08": "unreachable",
    "57": "unreachable",
}


def in_words(exc: BaseException) -> str:
    """Empty where it is none of these."""
    cause = exc.__cause__
    if not isinstance(exc, db.Error) or cause is None:
        return ""
    if name := getattr(cause, "sqlite_errorname", None):
        # The only thing that SQLite says in words alone.
        if name == "SQLITE_ERROR" and str(cause).startswith("no such table"):
            return _POSTGRESQL["42P01"]
        return _SQLITE.get(name.split("_")[1], "")
    state = getattr(cause, "sqlstate", None)
    if state is None:  # psycopg's, of a connection that was not made, or broke
        return "unreachable" if isinstance(exc, db.OperationalError) else ""
    return _POSTGRESQL.get(state) or _POSTGRESQL.get(state[:2], "")
