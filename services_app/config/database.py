"""How the database is spoken to: SQLite on one host, PostgreSQL for more (ADR 0019)."""

SQLITE = "django.db.backends.sqlite3"
POSTGRESQL = "django.db.backends.postgresql"
_OUR_POSTGRESQL = f"{__package__}.postgresql"

# Each in milliseconds; a statement that takes longer fails, and its request is told to come back.
_TIMEOUTS = {"statement_timeout": 30_000, "lock_timeout": 10_000, "idle_in_transaction_session_timeout": 30_000}
_HERE = ("", "localhost", "127.0.0.1", "::1")


def configured(parsed: dict, connections: int) -> dict:
    """Django's settings for the database that DATABASE_URL names. `connections`: at most so many for this process."""
    return _sqlite(parsed) if parsed["ENGINE"] == SQLITE else _postgresql(parsed, connections)


def is_impersonable(configured: dict) -> bool:
    """Whether somebody between this host and the database could pass for it: another host, and its name is not verified."""
    options = configured.get("OPTIONS", {})
    named = [configured.get("HOST"), *(options.get(name) for name in ("host", "hostaddr"))]
    hosts = [host for value in named if value for host in str(value).split(",")]
    remote = "service" in options or any(host not in _HERE and not host.startswith(("/", "@")) for host in hosts)
    return configured["ENGINE"] != SQLITE and remote and options.get("sslmode") != "verify-full"


def _sqlite(parsed: dict) -> dict:
    return {
        **parsed,
        "CONN_MAX_AGE": 60,
        "OPTIONS": {
            # A transaction that reads first and writes later would otherwise fail at once when another one wrote meanwhile.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            # FULL: a committed transaction survives power loss, which a receipt promises.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
        },
    }


def _postgresql(parsed: dict, connections: int) -> dict:
    from psycopg import IsolationLevel  # only here: a host with SQLite need not load it

    given = parsed.get("OPTIONS", {})
    # synchronous_commit is PostgreSQL's word for what synchronous=FULL is to SQLite, whatever the server's default is.
    session = [f"-c {name}={value}" for name, value in _TIMEOUTS.items()] + ["-c synchronous_commit=on"]
    return {
        **parsed,
        "ENGINE": _OUR_POSTGRESQL,
        # Given back at the end of each request, and while one waits for its sender.
        "CONN_MAX_AGE": 0,
        "CONNECTIONS": connections,
        "OPTIONS": {
            "connect_timeout": 5,
            # A server that vanished without a farewell is noticed within half a minute, not within two hours.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 30_000,
            **given,
            "isolation_level": IsolationLevel.READ_COMMITTED,
            "options": " ".join([*session, str(given.get("options", ""))]).strip(),
        },
    }
