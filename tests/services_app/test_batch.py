"""Many items in one command: each by itself, unless the database is away for all of them."""

import sqlite3
from io import StringIO
from types import SimpleNamespace

import pytest
from django.core.management import CommandError
from django.db import OperationalError
from django.db.utils import DatabaseErrorWrapper

from services_app.config import faults
from services_app.config.batch import Batch, cause

pytestmark = pytest.mark.django_db


def tried(*ends):
    """Which items of a batch got their turn, when each ends so; and what the batch said."""
    said, turns, batch = StringIO(), [], Batch(StringIO())
    try:
        with batch.item("all"):
            for number, end in enumerate(ends):
                with batch.item("upload", number):
                    turns.append(number)
                    if end is not None:
                        raise end
        batch.end()
    except CommandError as exc:
        said.write(str(exc))
    return turns, said.getvalue()


def test_the_second_fault_of_the_database_in_a_row_ends_the_round_with_one_line():
    turns, said = tried(OperationalError(), OperationalError(), None)
    assert turns == [0, 1] and said.startswith("The database cannot be used now (OperationalError): the rest was not tried.")


@pytest.mark.parametrize("between", [None, RuntimeError()])
def test_one_fault_at_a_time_keeps_no_other_item_from_its_turn(between):
    turns, said = tried(OperationalError(), between, OperationalError(), None)
    assert turns == [0, 1, 2, 3] and "failed, as named above" in said


def fault_of(act) -> OperationalError:
    wrapper = DatabaseErrorWrapper(SimpleNamespace(Database=sqlite3, errors_occurred=False))
    with pytest.raises(OperationalError) as raised, wrapper:
        act()
    return raised.value


def test_a_fault_of_the_database_is_told_in_words_without_its_message(tmp_path):
    path = tmp_path / "db"
    holder, other = sqlite3.connect(path, isolation_level=None), sqlite3.connect(path, timeout=0, isolation_level=None)
    holder.execute("create table secret (x)")
    holder.execute("pragma max_page_count=3")
    readonly = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    full = lambda: holder.executemany("insert into secret values (?)", [("x" * 4000,)] * 9)  # noqa: E731
    assert cause(fault_of(full)) == "OperationalError (its disk is full)"
    assert cause(fault_of(lambda: other.execute("select * from absent"))).endswith(
        "(tables are missing: has migrate been run?)"
    )
    assert cause(fault_of(lambda: readonly.execute("delete from secret"))) == "OperationalError (read-only)"
    assert cause(fault_of(lambda: sqlite3.connect(tmp_path / "no" / "db"))) == "OperationalError (cannot be opened)"
    holder.execute("begin exclusive")
    assert cause(fault_of(lambda: other.execute("delete from secret"))) == "OperationalError (locked)"
    for connection in (holder, other, readonly):
        connection.close()


@pytest.mark.parametrize(
    ("state", "words"),
    [("55P03", "locked"), ("53100", "its disk is full"), ("25006", "read-only"), ("57P01", "unreachable"), (None, "unreachable"),
     ("42P01", "tables are missing: has migrate been run?"), ("22003", "")],
)  # fmt: skip
def test_postgresql_tells_its_faults_by_their_state(state, words):
    inner, exc = Exception("a message that names a table"), OperationalError("the same")
    inner.sqlstate, exc.__cause__ = state, inner
    assert faults.in_words(exc) == words
