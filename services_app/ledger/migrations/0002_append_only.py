"""The database refuses to change an entry, to take one out, or to put another one in its place.

A statement's trigger fires on PostgreSQL for TRUNCATE too. SQLite's REPLACE takes the old row out without a trigger for it, so an
INSERT of what is there is refused before it can.
"""

from django.db import migrations

UP = {
    "sqlite": [
        "CREATE TRIGGER ledger_entry_no_update BEFORE UPDATE ON ledger_entry "
        "BEGIN SELECT RAISE(ABORT, 'entries of the ledger are never changed'); END",
        "CREATE TRIGGER ledger_entry_no_delete BEFORE DELETE ON ledger_entry "
        "BEGIN SELECT RAISE(ABORT, 'entries of the ledger are never changed'); END",
        "CREATE TRIGGER ledger_entry_no_replace BEFORE INSERT ON ledger_entry "
        "WHEN EXISTS (SELECT 1 FROM ledger_entry WHERE seq = NEW.seq OR hash = NEW.hash) "
        "BEGIN SELECT RAISE(ABORT, 'entries of the ledger are never changed'); END",
    ],
    "postgresql": [
        "CREATE FUNCTION ledger_entry_no_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'entries of the ledger are never changed' USING ERRCODE = 'restrict_violation'; END $$",
        "CREATE TRIGGER ledger_entry_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry "
        "FOR EACH STATEMENT EXECUTE FUNCTION ledger_entry_no_change()",
    ],
}
DOWN = {
    "sqlite": [f"DROP TRIGGER IF EXISTS ledger_entry_no_{what}" for what in ("update", "delete", "replace")],
    "postgresql": [
        "DROP TRIGGER IF EXISTS ledger_entry_no_change ON ledger_entry",
        "DROP FUNCTION IF EXISTS ledger_entry_no_change()",
    ],
}


def put_up(apps, schema_editor):
    _execute(schema_editor, UP)


def take_down(apps, schema_editor):
    _execute(schema_editor, DOWN)


def _execute(schema_editor, statements):
    for statement in statements[schema_editor.connection.vendor]:
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial")]
    operations = [migrations.RunPython(put_up, take_down)]
