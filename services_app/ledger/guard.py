"""Does the database itself refuse to change the ledger? Triggers do (migration 0002), for whoever writes past `record.append`.

Whoever owns the database can take them away; then what was signed contradicts (services_app/proof).
"""

from importlib import import_module

from django.db import connection

_UP = import_module("services_app.ledger.migrations.0002_append_only").UP

_PRESENT = {
    # As they were made, word for word.
    "sqlite": "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'ledger_entry'",
    # PostgreSQL keeps no text of a trigger: what it fires for (58: before DELETE, UPDATE and TRUNCATE, for each statement), always,
    # and what its function does.
    "postgresql": "SELECT p.prosrc FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_language l ON l.oid = p.prolang "
    "WHERE t.tgrelid = 'ledger_entry'::regclass AND t.tgname = 'ledger_entry_no_change' AND t.tgenabled IN ('O', 'A') "
    "AND t.tgtype = 58 AND t.tgqual IS NULL AND t.tgattr = '' AND l.lanname = 'plpgsql'",
}
_EXPECTED = {"sqlite": frozenset(_UP["sqlite"]), "postgresql": frozenset({_UP["postgresql"][0].split("$$")[1]})}


def is_up() -> bool:
    """Whether all of them are there and enabled, and do what they were made for."""
    with connection.cursor() as cursor:
        cursor.execute(_PRESENT[connection.vendor])
        return _EXPECTED[connection.vendor] <= {text for (text,) in cursor.fetchall()}
