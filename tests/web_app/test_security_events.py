"""What is refused leaves a trace, with the person or the key where they are known, and never more than some rows an hour."""

import re
from urllib.parse import urlencode

import pytest
from django.db import OperationalError

from tests.waiting import wait_for
from tests.web_app.conftest import PASSWORD, Api
from web_app.accounts import api_keys
from web_app.audit import security
from web_app.audit.models import AuditEvent, SecurityEvent
from web_app.audit.record import COMMAND
from web_app.audit.tally import Tally

pytestmark = pytest.mark.django_db


def noted():
    rows = SecurityEvent.objects.order_by("id")
    return [(row.kind, row.person, row.api_key, row.network, row.count) for row in rows]


def by_key(browser, text):
    return Api(browser(), {"Authorization": f"Bearer {text}"})


def test_bad_api_keys_are_counted_with_their_owner_where_they_name_one(browser, person):
    key, text = api_keys.create(person, label="", who=COMMAND)
    api_keys.revoke(key, who=COMMAND)
    for bad in (text, text[:-1] + "x", "slk_" + "z" * 12 + "_" + "z" * 43, "nothing"):
        assert by_key(browser, bad).get("uploads").status_code == 401
    here = "127.0.0.1"
    assert noted() == [("api_key_refused", person.uploader_id, key.prefix, here, 2), ("api_key_refused", "", "", here, 2)]


def test_what_is_not_ones_own_is_counted_with_who_tried(key_api, page_api, stranger, grant, receipt_for):
    page = page_api(stranger)
    page.post("uploads", {"collection": "mri-2026"})
    page.get(f"uploads/{grant.id}")
    page.post(f"uploads/{grant.id}/token", {"upload_id": str(grant.id)})
    page.get("uploads/019abcde-0000-7000-8000-00000000a001")  # there is none
    page.post("receipts", {"receipt": receipt_for(grant)})
    page.post("receipts", {"receipt": "x"})
    key_api(stranger).get(f"uploads/{grant.id}")
    key = stranger.api_keys.get()
    who = (stranger.uploader_id, "", "127.0.0.1")
    assert noted() == [
        ("collection_forbidden", *who, 1),
        ("foreign_grant", *who, 2),
        ("receipt_unknown_grant", *who, 1),
        ("receipt_invalid", *who, 1),
        ("foreign_grant", stranger.uploader_id, key.prefix, "127.0.0.1", 1),
    ]


def sign_in(client, name, password):
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', client.get("/accounts/login/").content.decode())[1]
    body = urlencode({"username": name, "password": password, "csrfmiddlewaretoken": token})
    form, origin = "application/x-www-form-urlencoded", {"Origin": "https://localhost:8443"}
    return client.post("/accounts/login/", body, content_type=form, headers=origin)


def test_failed_sign_ins_add_no_audit_event_each(browser, person):
    for _ in range(20):
        sign_in(browser(), "ada", "wrong")
    actions_of = list(AuditEvent.objects.order_by("id").values_list("action", flat=True))
    assert actions_of == ["sign_in_failed", "sign_in_throttled"]
    who = (person.uploader_id, "", "127.0.0.1")
    assert noted() == [("sign_in_failed", *who, 5), ("sign_in_throttled", *who, 15)]


def test_what_was_typed_is_kept_nowhere(browser, db):
    for _ in range(7):
        sign_in(browser(), "my secret password", PASSWORD)
    assert "secret" not in str([*SecurityEvent.objects.values(), *AuditEvent.objects.values()])


def test_nobody_fills_the_disk_from_many_addresses(browser, monkeypatch, db):
    monkeypatch.setattr(security, "MOST", 5)
    for number in range(50):
        by_key(browser, "nothing").client.get(
            "/api/v1/uploads", headers={"Authorization": "Bearer x"}, REMOTE_ADDR=f"192.0.2.{number}"
        )
    rows = noted()
    assert len(rows) == 6
    assert rows[-1] == ("api_key_refused", "", "", "", 45)


def test_a_trace_that_cannot_be_kept_changes_no_answer(browser, monkeypatch, db):
    def fails(*args, **kwargs):
        raise RuntimeError

    monkeypatch.setattr(security, "_tally", Tally(fails))
    assert by_key(browser, "nothing").get("uploads").status_code == 401


def test_who_is_refused_all_the_time_costs_one_statement_a_second_and_each_is_counted(browser, monkeypatch, db):
    due, failing, written = [], [], []

    def write(*given):
        if failing:
            raise OperationalError
        written.append(given)
        return security.write(*given)

    tally = Tally(write, later=lambda seconds, settle: due.append((seconds, settle)))
    monkeypatch.setattr(security, "_tally", tally)
    for number in range(100):
        by_key(browser, f"nothing {number}").get("uploads")
    assert len(written) == 1 and [seconds for seconds, _ in due] == [1.0]
    failing.append(True)
    due.pop()[1]()  # the database is away
    by_key(browser, "nothing").get("uploads")
    assert [seconds for seconds, _ in due] == [60.0] and noted()[0][-1] == 1
    failing.clear()
    due.pop()[1]()
    assert len(written) == 2 and noted() == [("api_key_refused", "", "", "127.0.0.1", 101)]


def test_where_no_thread_can_be_begun_the_next_one_that_is_counted_tries_again(browser, monkeypatch, db):
    due = []

    def later(seconds, settle):
        due.append(settle)
        if len(due) == 1:
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(security, "_tally", Tally(security.write, later=later))
    for _ in range(4):
        assert by_key(browser, "nothing").get("uploads").status_code == 401
    assert len(due) == 2
    due[1]()
    assert noted() == [("api_key_refused", "", "", "127.0.0.1", 4)]


@pytest.mark.django_db(transaction=True)
def test_of_itself_it_is_written_a_moment_later(browser, monkeypatch):
    monkeypatch.setattr(security, "_tally", Tally(security.write))
    for _ in range(3):
        by_key(browser, "nothing").get("uploads")
    wait_for(lambda: noted() == [("api_key_refused", "", "", "127.0.0.1", 3)])


def test_operators_look_at_them_and_change_nothing(browser, operator, stranger, page_api, collection):
    page_api(stranger).post("uploads", {"collection": "mri-2026"})
    client = browser(operator)
    page = client.get(f"/admin/audit/securityevent/?q={stranger.uploader_id}").content.decode()
    assert "collection_forbidden" in page and stranger.uploader_id in page
    assert client.get("/admin/audit/securityevent/add/").status_code == 403


def test_old_ones_are_forgotten(db):
    security.note("x", None)
    SecurityEvent.objects.update(hour=SecurityEvent.objects.get().hour - security.KEPT_FOR)
    security.forget_old()
    assert not SecurityEvent.objects.exists()
