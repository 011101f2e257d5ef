"""Is the database away? A passing fault (locked, full, read-only, unreachable, not there) is told from one of our own code."""

from django import db

# What Django raises for statements and values that were wrong in the first place.
_OURS = (db.IntegrityError, db.ProgrammingError, db.DataError, db.NotSupportedError)


def is_of_the_database(exc: BaseException | None) -> bool:
    """Whether `exc` says that the database cannot be used now, whichever it is: the drivers' errors come wrapped by Django."""
    return isinstance(exc, db.Error) and not isinstance(exc, _OURS)
