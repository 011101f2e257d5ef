"""nginx's request id stands in each log line and in each ledger entry of the request; nothing else comes in under its name."""

import io
import json
import logging

import pytest

from services_app.config.logs import JsonFormatter
from services_app.ledger import verify
from services_app.ledger.models import Entry
from tests.services_app.making import (
    INTERNAL_KEY,
    WEB_APP,
    Connection,
    a_zip,
    announced,
    by_hand,
    claims_object,
    received,
    request_body,
)

pytestmark = pytest.mark.django_db
ID = "0123456789abcdef" * 2


@pytest.fixture
def logged():
    """A function: what the services tier has logged."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("sluice")
    logger.addHandler(handler)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.removeHandler(handler)


@pytest.mark.parametrize(
    ("given", "kept"),
    [(ID, ID), ("", None), (ID.upper(), None), (ID[:-1], None), (ID + "0", None), ("canary-patient-name", None), (ID + "\n", None)],
)
def test_a_deletion_is_logged_and_entered_under_the_id_of_its_request_if_it_has_the_form_of_one(control, known_store, logged, given, kept):
    upload = received(request_body(a_zip()), claims_object(), announced(len(a_zip())))
    path, peer = f"/internal/v1/objects/{upload.id}", Connection(WEB_APP)
    assert control("DELETE", path, token=INTERNAL_KEY, peer=peer, HTTP_X_REQUEST_ID=given).status_code == 204
    assert [line.get("request") for line in logged() if line["message"] == "deleted"] == [kept]
    committed, deleted = Entry.objects.order_by("seq")
    assert (committed.facts.get("request"), deleted.facts.get("request")) == (None, kept)


def test_the_id_is_under_the_hash_of_its_entry(control, known_store):
    upload = received(request_body(a_zip()), claims_object(), announced(len(a_zip())))
    path, peer = f"/internal/v1/objects/{upload.id}", Connection(WEB_APP)
    control("DELETE", path, token=INTERNAL_KEY, peer=peer, HTTP_X_REQUEST_ID=ID)
    assert list(verify.broken_entries()) == []
    with by_hand():
        Entry.objects.filter(seq=2).update(facts={"request": ID[::-1]})
    assert list(verify.broken_entries()) == [2]
