"""DATABASE_URL: what it may name, what it becomes, and which database must prove its name."""

from types import SimpleNamespace

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured
from psycopg.pq import TransactionStatus

from services_app.config import database, env
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
    monkeypatch.setattr(base, "WAIT", 0.01)
    lent = base.Lent(1)
    first = lent.take(Connection)
    with pytest.raises(psycopg.OperationalError, match="in use"):
        lent.take(Connection)
    lent.give_back(first)
    assert lent.take(Connection) is first


def test_a_connection_that_could_not_be_made_takes_no_place():
    lent, away = base.Lent(1), iter([psycopg.OperationalError(), psycopg.OperationalError()])

    def connect():
        raise next(away)

    for _ in range(2):
        with pytest.raises(psycopg.OperationalError):
            lent.take(connect)
    assert isinstance(lent.take(Connection), Connection)


def test_where_one_is_dead_all_that_wait_are_given_up():
    lent = base.Lent(3)
    held = [lent.take(Connection) for _ in range(3)]
    for each in held:
        lent.give_back(each)
        each.alive = False
    assert lent.take(Connection) not in held and all(each.closed for each in held)


def test_one_in_the_middle_of_something_goes_to_nobody_and_one_that_nobody_wants_is_closed(monkeypatch):
    lent = base.Lent(3)
    unfinished, unused, last = Connection(TransactionStatus.INTRANS), Connection(), Connection()
    for each in (unfinished, unused, last):
        lent.take(lambda each=each: each)
    lent.give_back(unfinished)
    lent.give_back(unused)
    monkeypatch.setattr(base, "KEEP", -1.0)
    lent.give_back(last)
    assert unfinished.closed and unused.closed
