"""DATABASE_URL: what it may name, what it becomes, and which database must prove its name."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import ConnectionHandler
from psycopg.pq import TransactionStatus

from services_app.config import database, env, lent
from services_app.config.postgresql import base

ELSEWHERE = "postgres://sluice:secret@db.example.org/sluice"


def configured(monkeypatch, url):
    monkeypatch.setenv("DATABASE_URL", url)
    return database.configured(env.database("DATABASE_URL", ""), 7)


@pytest.mark.parametrize(
    ("url", "impersonable"),
    [
        ("sqlite:////var/lib/sluice/db.sqlite3", False),
        ("postgres://sluice@//var/run/postgresql/sluice", False),
        ("postgres://sluice:secret@localhost/sluice", False),
        ("postgres://sluice:secret@127.0.0.1:5433/sluice", False),
        ("postgres://sluice:secret@[::1]/sluice", False),
        (ELSEWHERE, True),
        (f"{ELSEWHERE}?sslmode=require", True),
        (f"{ELSEWHERE}?sslmode=verify-ca", True),
        (f"{ELSEWHERE}?sslmode=verify-full&sslrootcert=/etc/sluice/db.crt", False),
        ("postgres://sluice:secret@127.0.0.1,192.0.2.7/sluice", True),
        ("postgres://sluice:secret@localhost/sluice?hostaddr=192.0.2.7", True),
        ("postgres://sluice@/sluice?host=192.0.2.7", True),
        ("postgres://sluice@/sluice?service=central", True),
    ],
)
def test_a_database_on_another_host_must_prove_its_name(monkeypatch, url, impersonable):
    assert database.is_impersonable(configured(monkeypatch, url)) == impersonable


def test_postgresql_gets_timeouts_durability_and_a_bounded_pool(monkeypatch):
    made = configured(monkeypatch, f"{ELSEWHERE}?sslmode=verify-full&options=-c%20work_mem%3D8MB&connect_timeout=9")
    options = made["OPTIONS"]
    for setting in ("statement_timeout=", "lock_timeout=", "idle_in_transaction_session_timeout=", "work_mem=8MB"):
        assert f"-c {setting}" in options["options"]
    assert "-c synchronous_commit=on" in options["options"]
    assert (options["sslmode"], options["connect_timeout"], made["PASSWORD"]) == ("verify-full", 9, "secret")
    assert (made["CONN_MAX_AGE"], made["CONNECTIONS"]) == (0, 7)


def test_sqlite_is_durable_and_lends_its_connections_too(monkeypatch):
    made = configured(monkeypatch, "sqlite:////var/lib/sluice/db.sqlite3")
    assert (made["ENGINE"], made["CONN_MAX_AGE"]) == ("services_app.config.sqlite", 0)
    assert "PRAGMA synchronous=FULL" in made["OPTIONS"]["init_command"]


@pytest.mark.parametrize("url", ["mysql://db.example.org/sluice", "nonsense", "postgres://a:b@h:port/x"])
def test_anything_else_is_refused_with_the_cure_and_without_the_url(monkeypatch, url):
    with pytest.raises(ImproperlyConfigured, match="postgres://user:password@host/name") as refused:
        configured(monkeypatch, url)
    assert url not in str(refused.value)


def test_the_url_may_stand_in_a_file_since_it_may_hold_a_password(monkeypatch, tmp_path):
    (tmp_path / "url").write_text(f"{ELSEWHERE}\n")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    assert env.database("DATABASE_URL", "")["PASSWORD"] == "secret"
    monkeypatch.setenv("DATABASE_URL", ELSEWHERE)
    with pytest.raises(ImproperlyConfigured, match="both set"):
        env.database("DATABASE_URL", "")


class Connection:
    """Stands in for psycopg's."""

    autocommit, alive, closed = False, True, False

    def __init__(self, status=TransactionStatus.IDLE):
        self.info = SimpleNamespace(transaction_status=status)

    def execute(self, _):
        if not self.alive:
            raise psycopg.OperationalError

    def close(self):
        self.closed = True


def test_a_process_makes_no_more_connections_than_it_may_and_says_so_in_time(monkeypatch):
    monkeypatch.setattr(base.Lent, "wait", 0.01)
    pool = base.Lent(1)
    first = pool.take(Connection)
    with pytest.raises(psycopg.OperationalError, match="in use"):
        pool.take(Connection)
    pool.give_back(first)
    assert pool.take(Connection) is first


def test_a_connection_that_could_not_be_made_takes_no_place():
    pool, away = base.Lent(1), iter([psycopg.OperationalError(), psycopg.OperationalError()])

    def connect():
        raise next(away)

    for _ in range(2):
        with pytest.raises(psycopg.OperationalError):
            pool.take(connect)
    assert isinstance(pool.take(Connection), Connection)


def test_where_one_is_dead_all_that_wait_are_given_up():
    pool = base.Lent(3)
    held = [pool.take(Connection) for _ in range(3)]
    for each in held:
        pool.give_back(each)
        each.alive = False
    assert pool.take(Connection) not in held and all(each.closed for each in held)


def test_one_in_the_middle_of_something_goes_to_nobody_and_one_that_nobody_wants_is_closed(monkeypatch):
    pool = base.Lent(3)
    unfinished, unused, last = Connection(TransactionStatus.INTRANS), Connection(), Connection()
    for each in (unfinished, unused, last):
        pool.take(lambda each=each: each)
    pool.give_back(unfinished)
    pool.give_back(unused)
    monkeypatch.setattr(lent, "KEEP", -1.0)
    pool.give_back(last)
    assert unfinished.closed and unused.closed


def test_one_of_sqlite_goes_from_thread_to_thread_unless_it_is_in_the_middle_of_something(tmp_path, django_db_blocker):
    made = database.configured({"ENGINE": database.SQLITE, "NAME": str(tmp_path / "db.sqlite3")}, 1)
    seen = []

    def ask(and_then=lambda connection: None):
        handler = ConnectionHandler({"default": made})
        handler["default"].ensure_connection()
        seen.append(handler["default"].connection)
        and_then(seen[-1])
        handler["default"].close()

    with django_db_blocker.unblock():
        with ThreadPoolExecutor(1) as others:
            others.submit(ask).result()
        ask()
        ask(lambda connection: connection.execute("BEGIN"))
        ask()
    assert seen[0] is seen[1] is seen[2] and seen[3] is not seen[2]
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        seen[2].execute("SELECT 1")
