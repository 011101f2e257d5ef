"""The ledger: a chain in which every later entry tells of a change to an earlier one."""

import uuid
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from services_app.ledger import guard, record, verify
from services_app.ledger.models import Entry
from tests.services_app.making import by_hand, some_uuid

pytestmark = pytest.mark.django_db


def add(event="committed", **facts):
    with transaction.atomic():
        return record.append(
            event, upload_id=some_uuid(), grant_id=some_uuid(), at=timezone.now(), facts=facts or {"size": 1}
        )


def test_entries_are_numbered_from_one_and_each_names_the_hash_before_it():
    first, second, third = add(), add("aborted", code="too_slow"), add("deleted")
    assert [first.seq, second.seq, third.seq] == [1, 2, 3]
    assert first.previous == record.GENESIS == "0" * 64
    assert (second.previous, third.previous) == (first.hash, second.hash)
    assert next(verify.broken_entries(), None) is None


def test_an_entry_read_back_has_the_hash_that_it_was_written_with():
    entry = add(size=1 << 40, sha256="ab" * 32, collection="mri-2026")
    assert record.entry_hash(Entry.objects.get()) == entry.hash


def test_an_entry_has_the_same_hash_whatever_database_holds_it():
    """A ledger moves from SQLite to PostgreSQL with its chain whole: times to the microsecond, numbers, the order of facts."""
    ids = (uuid.UUID(f"01890000-0000-7000-8000-00000000000{last}") for last in (1, 2))
    at = datetime(2026, 11, 26, 8, 0, 0, 120, tzinfo=UTC)
    with transaction.atomic():
        facts = {"size": 2**63 - 1, "collection": "mri-2026", "code": "é", "a": [1, 2]}
        record.append("committed", upload_id=next(ids), grant_id=next(ids), at=at, facts=facts)
    kept = Entry.objects.get()
    assert record.entry_hash(kept) == kept.hash == "6113658f5e73a7dc6a325f6265534cad5595a64a284838642597787644f173e0"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("at", timezone.now().replace(year=2001)),
        ("event", "aborted"),
        ("upload_id", some_uuid()),
        ("grant_id", some_uuid()),
        ("facts", {"size": 2}),
        ("previous", "f" * 64),
        ("hash", "f" * 64),
    ],
)
@pytest.mark.parametrize("seq", [1, 2, 3])
def test_a_change_to_any_field_of_any_entry_is_found(field, value, seq):
    for _ in range(3):
        add()
    with by_hand():
        Entry.objects.filter(seq=seq).update(**{field: value})
    assert next(verify.broken_entries(), None) == seq


@pytest.mark.parametrize("seq", [1, 2])
def test_an_entry_taken_out_is_found(seq):
    for _ in range(3):
        add()
    with by_hand():
        Entry.objects.filter(seq=seq).delete()
    assert next(verify.broken_entries(), None) == seq


def test_a_changed_entry_with_a_new_hash_of_its_own_is_found_at_the_next_one():
    for _ in range(3):
        add()
    entry = Entry.objects.get(seq=2)
    entry.facts = {"size": 99}
    entry.hash = record.entry_hash(entry)
    with by_hand():
        entry.save()
    assert next(verify.broken_entries(), None) == 3


def test_a_changed_entry_is_found_also_when_the_next_one_was_made_to_name_its_new_hash():
    for _ in range(3):
        add()
    entry = Entry.objects.get(seq=2)
    entry.facts = {"size": 99}
    entry.hash = record.entry_hash(entry)
    with by_hand():
        entry.save()
        Entry.objects.filter(seq=3).update(previous=entry.hash)
    assert next(verify.broken_entries(), None) == 3


def test_two_entries_exchanged_are_found():
    for _ in range(3):
        add()
    with by_hand():
        Entry.objects.filter(seq=1).update(seq=99)
        Entry.objects.filter(seq=2).update(seq=1)
        Entry.objects.filter(seq=99).update(seq=2)
    assert next(verify.broken_entries(), None) == 1


def test_an_unknown_event_is_refused():
    with pytest.raises(ValueError, match="vanished"):
        add("vanished")
    assert not Entry.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_entry_outside_a_transaction_is_refused():
    with pytest.raises(TransactionManagementError):
        record.append("aborted", upload_id=some_uuid(), grant_id=some_uuid(), at=timezone.now(), facts={})
    assert not Entry.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_entry_falls_with_the_change_that_it_tells_of():
    with pytest.raises(RuntimeError), transaction.atomic():
        record.append("aborted", upload_id=some_uuid(), grant_id=some_uuid(), at=timezone.now(), facts={})
        raise RuntimeError
    assert not Entry.objects.exists()
    assert add().seq == 1


@pytest.mark.django_db(transaction=True)
def test_entries_written_at_once_make_one_chain():
    import threading

    start = threading.Barrier(8)

    def write():
        try:
            start.wait()
            add()
        finally:
            connection.close()

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Entry.objects.count() == 8 and next(verify.broken_entries(), None) is None


def test_the_command_names_the_head_or_the_first_broken_entry(known_store):
    out = StringIO()
    call_command("verify_ledger", stdout=out)
    assert out.getvalue().splitlines()[0] == "the ledger is empty"
    add("aborted")
    head = add("aborted")
    out = StringIO()
    call_command("verify_ledger", stdout=out)
    assert out.getvalue().splitlines()[0] == f"2 entries hold; head {head.hash}"
    with by_hand():
        Entry.objects.filter(seq=2).update(event="deleted")
    with pytest.raises(CommandError, match="entry 2"):
        call_command("verify_ledger")


def test_the_command_names_every_broken_entry_also_one_that_cannot_be_read():
    for _ in range(6):
        add()
    with by_hand(), connection.cursor() as cursor:
        Entry.objects.filter(seq=2).update(event="aborted")
        unreadable = "infinity" if connection.vendor == "postgresql" else "never"
        cursor.execute("UPDATE ledger_entry SET at = %s WHERE seq = 3", [unreadable])
        if connection.vendor == "sqlite":
            cursor.execute("UPDATE ledger_entry SET upload_id = 'none' WHERE seq = 3")
        Entry.objects.filter(seq=5).delete()
    assert list(verify.broken_entries()) == [2, 3, 5]
    with pytest.raises(CommandError, match="entries 2, 3, 5"):
        call_command("verify_ledger")


@pytest.mark.parametrize(
    "change",
    [
        lambda: Entry.objects.filter(seq=1).update(event="aborted"),
        lambda: Entry.objects.filter(seq=2).update(seq=9),
        lambda: Entry.objects.filter(seq=2).delete(),
        lambda: Entry.objects.all().delete(),
        lambda: Entry.objects.get(seq=1).save(force_update=True),
        lambda: Entry.objects.bulk_create(
            [Entry(seq=1, at=timezone.now(), event="x", upload_id=some_uuid(), grant_id=some_uuid(), facts={}, hash="a" * 64)],
            update_conflicts=True,
            unique_fields=["seq"],
            update_fields=["event", "hash"],
        ),
        lambda: connection.cursor().execute("DELETE FROM ledger_entry"),
        lambda: connection.cursor().execute(
            "TRUNCATE ledger_entry" if connection.vendor == "postgresql" else "REPLACE INTO ledger_entry SELECT * FROM ledger_entry"
        ),
    ],
)
def test_the_database_refuses_to_change_or_remove_an_entry(change):
    head = [add(), add()][-1]
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        change()
    assert guard.is_up() and Entry.objects.count() == 2 and add().previous == head.hash


def test_a_ledger_that_could_be_changed_unseen_is_named(known_store):
    add("aborted")
    with by_hand():
        assert not guard.is_up()
        with pytest.raises(CommandError, match="does not refuse"):
            call_command("verify_ledger")
    call_command("verify_ledger", stdout=StringIO())


IDLE = {
    "sqlite": [
        (f"DROP TRIGGER ledger_entry_no_{what}", f"CREATE TRIGGER ledger_entry_no_{what} BEFORE {event} ON ledger_entry {rest}")
        for what, event, rest in (
            ("update", "UPDATE", "WHEN 0 BEGIN SELECT RAISE(ABORT, 'entries of the ledger are never changed'); END"),
            ("update", "UPDATE OF seq", "BEGIN SELECT RAISE(ABORT, 'entries of the ledger are never changed'); END"),
            ("delete", "DELETE", "BEGIN SELECT 1; END"),
            ("replace", "INSERT", "BEGIN SELECT 1; END"),
        )
    ],
    "postgresql": [
        (
            "DROP TRIGGER ledger_entry_no_change ON ledger_entry",
            f"CREATE TRIGGER ledger_entry_no_change {rest} EXECUTE FUNCTION ledger_entry_no_change()",
        )
        for rest in (
            "BEFORE UPDATE ON ledger_entry FOR EACH STATEMENT",
            "AFTER UPDATE OR DELETE OR TRUNCATE ON ledger_entry FOR EACH STATEMENT",
            "BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry FOR EACH STATEMENT WHEN (false)",
            "BEFORE UPDATE OF seq OR DELETE OR TRUNCATE ON ledger_entry FOR EACH STATEMENT",
        )
    ]
    + [
        (
            "CREATE OR REPLACE FUNCTION ledger_entry_no_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
            "SELECT 1",
        )
    ],
}


@pytest.mark.parametrize("which", range(5))
def test_triggers_of_the_right_name_that_refuse_nothing_are_none(which):
    for statement in IDLE[connection.vendor][which % len(IDLE[connection.vendor])]:
        connection.cursor().execute(statement)
    assert not guard.is_up()
