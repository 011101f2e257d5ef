"""Somebody changes things by hand, on a stack that runs: the command that claims to notice it names it, on either tier."""

import contextlib
import json
import shutil
import sqlite3

import pytest

from dev.client import Client
from dev.stack import StartFailed
from tests.services_app.making import a_zip


@pytest.fixture(scope="module")
def receipts(own) -> list[dict]:
    """Three stored files whose receipts both tiers hold, after a round of `recover`."""
    client = Client(own.edge_port, own.keys.edge_ca, own.api_key)
    told = [client.put(client.new_grant(own.collection)["token"], a_zip(b"%d" % n)).json() for n in range(3)]
    assert all(client.hand_in(one["receipt"])["state"] == "complete" for one in told)
    own.manage("services_app", "recover")
    return told


@contextlib.contextmanager
def put_back_afterwards(own):
    """What is done to the services tier's database and NAS in this block is undone behind it."""
    kept = own.services_state.with_name("kept")
    database = own.services_state / "services.sqlite3"
    with contextlib.closing(sqlite3.connect(database)) as now, contextlib.closing(sqlite3.connect(kept)) as then:
        now.backup(then)
    folders = ("collections", "checkpoints")
    for folder in folders:
        shutil.copytree(own.nas / folder, kept.with_name(f"kept-{folder}"))
    try:
        yield database
    finally:
        with contextlib.closing(sqlite3.connect(kept)) as then, contextlib.closing(sqlite3.connect(database)) as now:
            then.backup(now)
        for folder in folders:
            shutil.rmtree(own.nas / folder)
            kept.with_name(f"kept-{folder}").rename(own.nas / folder)


def by_hand(database, *statements: str) -> None:
    """As whoever owns the file may, triggers or not."""
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        for _, sql in triggers:
            connection.execute(sql)


def said(own, app: str, *command: str) -> str:
    """What it prints where it finds something; empty where all is well."""
    try:
        own.manage(app, *command)
    except StartFailed as exc:
        return str(exc)
    return ""


COMMANDS = [
    ("services_app", "verify_ledger"),
    ("services_app", "verify_store", "--rate", "0"),
    ("services_app", "reconcile_store"),
    ("web_app", "verify_receipts"),
]


def test_where_nobody_changed_anything_nothing_is_found(own, receipts):
    assert [said(own, *command) for command in COMMANDS] == [""] * len(COMMANDS)


def test_the_database_itself_refuses_to_change_the_ledger(own, receipts):
    with contextlib.closing(sqlite3.connect(own.services_state / "services.sqlite3", timeout=30)) as connection:
        for statement in ("DELETE FROM ledger_entry WHERE seq > 1", "UPDATE ledger_entry SET event = 'aborted'"):
            with pytest.raises(sqlite3.IntegrityError, match="never changed"):
                connection.execute(statement)


LAST_STORED = "SELECT max(seq) FROM ledger_entry WHERE event = 'committed'"  # what verify_store entered since is cut off with it
OTHER_HASH = "CASE substr(hash, 1, 1) WHEN 'a' THEN 'b' ELSE 'a' END || substr(hash, 2)"


@pytest.mark.parametrize(
    ("statements", "ledger", "web"),
    [
        ([f"DELETE FROM ledger_entry WHERE seq >= ({LAST_STORED})"], "beyond: ", "beyond"),
        (["DELETE FROM ledger_entry", "DELETE FROM uploads_upload", "DELETE FROM uploads_grant"], "beyond: ", "beyond"),
        ([f"UPDATE ledger_entry SET hash = {OTHER_HASH}"], "is broken at entries 1, 2", "other"),
    ],
)
def test_a_ledger_that_was_cut_or_changed_is_named_on_both_tiers(own, receipts, statements, ledger, web):
    with put_back_afterwards(own) as database:
        by_hand(database, *statements)
        assert ledger in said(own, "services_app", "verify_ledger")
        assert f"{web}: upload {receipts[-1]['upload_id']}" in said(own, "web_app", "verify_receipts")
    assert said(own, "services_app", "verify_ledger") == ""


def test_a_lost_database_is_rebuilt_and_both_tiers_go_on_knowingly(own, receipts):
    own.manage("services_app", "ledger", "checkpoint")  # the web tier may have heard of what verify_store entered since the last one
    with put_back_afterwards(own) as database:
        by_hand(database, "DELETE FROM ledger_entry", "DELETE FROM uploads_upload", "DELETE FROM uploads_grant")
        own.manage("services_app", "rebuild")
        own.manage("services_app", "ledger", "continue", "--yes")
        assert [said(own, *command) for command in COMMANDS] == [""] * len(COMMANDS)
        assert json.loads(own.manage("web_app", "verify_receipts", "--json"))["of_a_branch_that_is_gone"] >= 3


CHANGES = {
    "changed": lambda path: path.write_bytes(path.read_bytes()[::-1]),
    "missing": lambda path: path.unlink(),
    "manifest_changed": lambda path: path.with_name(path.name + ".manifest.json").write_text("{}"),
}


def test_each_file_or_manifest_that_was_changed_is_named(own, receipts):
    with put_back_afterwards(own):
        for told, change in zip(receipts, CHANGES.values(), strict=True):
            path = own.stored(told["upload_id"])
            for each in path.parent.iterdir():
                each.chmod(0o640)
            change(path)
        named = said(own, "services_app", "verify_store", "--rate", "0")
        assert all(f"{code}: upload {told['upload_id']}" in named for told, code in zip(receipts, CHANGES, strict=True)), named


def test_a_row_that_was_changed_is_named(own, receipts):
    with put_back_afterwards(own) as database:
        by_hand(database, f"UPDATE uploads_upload SET media_type = 'text/csv' WHERE id = '{receipts[1]['upload_id'].replace('-', '')}'")
        assert f"row_changed: upload {receipts[1]['upload_id']}" in said(own, "services_app", "reconcile_store")
