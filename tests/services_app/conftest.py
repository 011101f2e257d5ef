"""services_app by itself: no nginx, no web_app, made-up keys, and for every test a NAS folder of its own.

One process holds one Django settings module, so these run apart from web_app's. `./run test` brings an environment;
without one (`pytest tests/services_app`) it is made here, before Django reads its settings.
"""

import atexit
import os
import shutil
import tempfile
import uuid
from pathlib import Path

import django
import pytest

from tests.services_app import making
from tests.services_app.making import INTERNAL_KEY, NGINX, WEB_APP


def _own_environment() -> None:
    place = Path(tempfile.mkdtemp(prefix="sluice-services-tests-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    os.environ.update(
        DJANGO_SETTINGS_MODULE="services_app.config.settings",
        SERVER_ROLE="services",
        STATE_DIR=str(place),
        METRICS_DIR=str(place / "metrics"),
        NAS_ROOT=str(place / "nas"),
        TOKEN_ISSUER=making.ISSUER,
        TOKEN_AUDIENCE=making.AUDIENCE,
        TOKEN_JWKS_FILE=str(making.key_set(place / "token.jwks", making.public(making.new_key()))),
        RECEIPT_ISSUER=making.RECEIPT_ISSUER,
        RECEIPT_KEY_FILE=str(making.key_set(place / "receipt.jwks", making.new_key())),
        INTERNAL_API_KEY=INTERNAL_KEY,
        NGINX_CLIENT_NAME=NGINX,
        WEB_CLIENT_NAME=WEB_APP,
    )


if "TOKEN_JWKS_FILE" not in os.environ:
    _own_environment()
    django.setup()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory, django_db_modify_db_settings_parallel_suffix):
    """One of its own for each process of a run; a file, as in production: a database in memory knows no rivals for its write lock."""
    from django.db import connections

    if connections["default"].vendor == "sqlite":
        connections["default"].settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("db") / "test.sqlite3")


@pytest.fixture(scope="session", autouse=True)
def emptied_after_a_test():
    """Tests with transactions of their own empty every table behind them, the ledger too, which refuses that."""
    from django.db.backends.base.operations import BaseDatabaseOperations

    flush = BaseDatabaseOperations.execute_sql_flush

    def lifted(self, statements):
        with making.by_hand():
            flush(self, statements)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseDatabaseOperations, "execute_sql_flush", lifted)
        yield


@pytest.fixture(autouse=True)
def deletion_is_allowed(settings):
    """Which nobody may by default (test_deletion.py)."""
    settings.DELETION_FROM_WEB = True


@pytest.fixture(scope="session")
def token_key() -> dict:
    return making.new_key()


@pytest.fixture(scope="session")
def receipt_key() -> dict:
    return making.new_key()


@pytest.fixture(scope="session")
def key_files(tmp_path_factory, token_key, receipt_key) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("keys")
    return (
        making.key_set(folder / "token.jwks", making.public(token_key)),
        making.key_set(folder / "receipt.jwks", receipt_key),
    )


@pytest.fixture(autouse=True)
def own_place(settings, tmp_path, key_files, monkeypatch):
    """Settings that point into this test's folder, and nothing remembered from the test before."""
    from services_app.config import health
    from services_app.hooks import configured
    from services_app.store.current import _store
    from services_app.uploads import receipts
    from services_app.uploads.wire import answers, callers

    settings.TOKEN_JWKS_FILE, settings.RECEIPT_KEY_FILE = map(str, key_files)
    settings.TOKEN_ISSUER, settings.TOKEN_AUDIENCE = making.ISSUER, making.AUDIENCE
    settings.RECEIPT_ISSUER = making.RECEIPT_ISSUER
    settings.INTERNAL_API_KEYS = [INTERNAL_KEY]
    monkeypatch.delenv("INTERNAL_API_KEY_FILE", raising=False)
    settings.NGINX_CLIENT_NAME, settings.WEB_CLIENT_NAME = NGINX, WEB_APP
    settings.NAS_ROOT = tmp_path / "nas"
    settings.UPLOAD_SPACE_RESERVE = 0
    monkeypatch.setattr(answers, "_SETTLE", 0)
    for remembered in (_store, health.believed):
        remembered.cache_clear()
    settings.HOOKS_FILE = ""
    for watched in (callers.verifier, callers.names_verifier, receipts.issuer, configured.hooks):
        watched.forget()


@pytest.fixture
def nas(settings) -> Path:
    """A prepared store's root, with one collection and no database behind it."""
    from services_app.store import sentinel

    root = settings.NAS_ROOT
    (root / "staging").mkdir(parents=True)
    (root / "collections" / making.COLLECTION).mkdir(parents=True)
    root_fd = os.open(root, os.O_RDONLY)
    sentinel.write(root_fd, STORE_ID)
    os.close(root_fd)
    return root


STORE_ID = uuid.UUID("01890000-0000-7000-8000-000000000001")


@pytest.fixture
def store(nas):
    """The store by itself."""
    from services_app.store.nas import LocalFileSystemStorage

    return LocalFileSystemStorage(nas, STORE_ID)


@pytest.fixture
def upload_id() -> uuid.UUID:
    return making.some_uuid()


@pytest.fixture
def directory(upload_id) -> tuple[str, ...]:
    """Where an object of that id lies."""
    return (making.COLLECTION, "2026", "03", str(upload_id))


@pytest.fixture
def known_store(nas, db):
    """The store as the database knows it: what current_store() finds."""
    from services_app.store.current import current_store
    from services_app.store.models import StoreIdentity

    StoreIdentity.objects.create(id=1, store_id=STORE_ID)
    return current_store()


@pytest.fixture
def grant_token(token_key):
    """A function: a token that is good now, with some claims changed."""
    import time

    return lambda **changed: making.sign(token_key, making.payload(time.time(), **changed))


@pytest.fixture
def control(settings, client):
    """Requests to the control listener, from nginx unless told otherwise."""
    return _caller(client, settings, "services_app.config.urls_control")


@pytest.fixture
def uploads(settings, client):
    """Requests to the uploads listener, from nginx unless told otherwise."""
    return _caller(client, settings, "services_app.config.urls_uploads")


def _caller(client, settings, urls):
    def call(method, path, *, token=None, body=b"", peer=None, **meta):
        import io

        settings.ROOT_URLCONF = urls  # a test may call both listeners
        extra = {"gunicorn.socket": making.Connection(NGINX) if peer is None else peer, "wsgi.input": io.BytesIO(body)}
        if token is not None:
            extra["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        if body:
            extra["CONTENT_LENGTH"] = str(len(body))
        return client.generic(method, path, **extra | meta)

    return call
