"""The operators' admin: one door, nothing that a strict Content-Security-Policy would block, secrets shown once."""

import csv
import datetime
import io
import re
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from tests.web_app.conftest import just_signed_in
from web_app.accounts import api_keys
from web_app.accounts.models import LONGEST_DAYS, ApiKey
from web_app.audit.models import AuditEvent
from web_app.audit.record import COMMAND
from web_app.collections import amounts
from web_app.collections.models import Collection, Membership
from web_app.grants import actions
from web_app.grants.models import Grant, StoredUpload
from web_app.storage.errors import StorageUnreachable

pytestmark = pytest.mark.django_db

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def client(browser, operator):
    client = just_signed_in(browser(operator))
    client.handler.enforce_csrf_checks = False
    return client


class Inline(HTMLParser):
    """Collects what `script-src 'self'; style-src 'self'` blocks."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in attrs and attrs.get("type") != "application/json"):
            self.found.append(tag)
        self.found += [name for name in attrs if name == "style" or name.startswith("on")]


PAGES = [
    "/admin/",
    "/admin/accounts/user/",
    "/admin/accounts/user/add/",
    "/admin/accounts/apikey/",
    "/admin/accounts/apikey/add/",
    "/admin/collections/collection/",
    "/admin/collections/collection/add/",
    "/admin/collections/membership/",
    "/admin/collections/membership/add/",
    "/admin/grants/grant/",
    "/admin/grants/storedupload/",
    "/admin/proof/checkpoint/",
    "/admin/audit/auditevent/",
    "/admin/audit/securityevent/",
]


@pytest.mark.parametrize("path", PAGES)
def test_admin_page_has_no_inline_script_or_style(client, grant, path):
    response = client.get(path)
    assert response.status_code == 200
    parser = Inline()
    parser.feed(response.content.decode())
    assert parser.found == []


def test_inline_parts_would_be_found():
    parser = Inline()
    parser.feed('<p style="x" onclick="y"><script>1</script><style></style><script src="/a.js"></script>')
    assert parser.found == ["style", "onclick", "script", "style"]


@pytest.mark.parametrize("path", PAGES)
def test_admin_forms_never_ask_for_multipart(client, grant, path):
    assert b"multipart" not in client.get(path).content


def test_nobody_is_led_to_the_one_log_in_page(browser, db):
    response = browser().get("/admin/", follow=True)
    assert response.redirect_chain[-1][0] == "/accounts/login/?next=/admin/"


def test_who_is_no_operator_is_refused(browser, person):
    assert browser(person).get("/admin/", follow=True).status_code == 403


@pytest.mark.parametrize("path", ["/admin/grants/grant/add/", "/admin/audit/auditevent/add/"])
def test_grants_and_audit_cannot_be_added_by_hand(client, path):
    assert client.get(path).status_code == 403


def test_grant_and_audit_event_cannot_be_changed_or_deleted_by_hand(client, grant):
    event = AuditEvent.objects.first()
    for path in (f"/admin/grants/grant/{grant.pk}", f"/admin/audit/auditevent/{event.pk}"):
        page = client.get(f"{path}/change/")
        assert page.status_code == 200
        assert b'name="_save"' not in page.content
        assert client.post(f"{path}/change/", urlencode({"state": "complete"}), content_type=FORM).status_code == 403
        assert client.post(f"{path}/delete/", urlencode({"post": "yes"}), content_type=FORM).status_code == 403


def test_new_api_key_is_shown_once_and_works(client, browser, person):
    body = urlencode({"user": person.pk, "label": "nightly", "may": "all", "expires_at_0": "", "expires_at_1": ""})
    response = client.post("/admin/accounts/apikey/add/", body, content_type=FORM)
    text = re.search(r'id="api-key">(slk_[^<]+)<', response.content.decode())[1]
    assert "no-store" in response["Cache-Control"]
    assert browser().get("/api/v1/uploads", headers={"Authorization": f"Bearer {text}"}).status_code == 200
    key = ApiKey.objects.get()
    assert (key.user, key.label) == (person, "nightly")
    for path in ("/admin/accounts/apikey/", f"/admin/accounts/apikey/{key.pk}/change/"):
        assert text.split("_", 2)[2].encode() not in client.get(path).content


def test_api_key_can_be_revoked_but_not_changed_or_deleted(client, browser, person):
    key, text = api_keys.create(person, label="", expires_at=None, who=COMMAND)
    body = urlencode({"action": "revoke", "_selected_action": key.pk})
    assert client.post("/admin/accounts/apikey/", body, content_type=FORM).status_code == 302
    assert browser().get("/api/v1/uploads", headers={"Authorization": f"Bearer {text}"}).status_code == 401
    client.post(f"/admin/accounts/apikey/{key.pk}/change/", urlencode({"label": "x"}), content_type=FORM)
    assert client.post(f"/admin/accounts/apikey/{key.pk}/delete/", "post=yes", content_type=FORM).status_code == 403
    assert ApiKey.objects.get().label == ""


def test_slug_of_a_collection_stays_what_it_was(client, collection):
    fields = {
        "slug": "other",
        "title": "T",
        "max_size": 5,
        "media_types": "",
        "start_within": "15 min",
        "valid_for": "24 h",
    }
    body = urlencode({**fields, "max_uploads": 1})
    client.post(f"/admin/collections/collection/{collection.pk}/change/", body, content_type=FORM)
    collection.refresh_from_db()
    assert (collection.slug, collection.title) == ("mri-2026", "T")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("slug", "Has Space"),
        ("slug", "-x"),
        ("max_size", 0),
        ("media_types", '["zip"]'),
        ("media_types", "{}"),
        ("media_types", '["*/*"]'),
        ("media_types", '["text/cvs"]'),
        ("media_types", '["application/x-nothing"]'),
        ("start_within", "25 h"),
        ("start_within", "29 s"),
        ("valid_for", "8 days"),
        ("valid_for", "a day"),
        ("max_size", "5 apples"),
        ("max_size", "-1"),
        ("max_uploads", 0),
        ("max_uploads", 10001),
        ("grants_open", 0),
        ("unfinished", 0),
        ("staged", 0),
    ],
)
def test_collection_that_could_mint_no_good_token_is_refused(client, field, value):
    fields = {"slug": "new", "title": "T", "max_size": 5, "media_types": "", "start_within": "15 min", "valid_for": "24 h"}
    body = urlencode({**fields, "max_uploads": 1, "active": "on", field: value})
    assert client.post("/admin/collections/collection/add/", body, content_type=FORM).status_code == 200
    assert not Collection.objects.exists()


@pytest.mark.parametrize("typed", ["text/csv\r\nimage/*", "text/csv, image/*", " text/csv;image/* "])
def test_types_are_typed_as_a_list_of_lines_or_words(client, typed):
    fields = {"slug": "new", "title": "T", "max_size": 5, "start_within": 1, "valid_for": 2, "max_uploads": 1, "media_types": typed}
    assert client.post("/admin/collections/collection/add/", urlencode(fields), content_type=FORM).status_code == 302
    made = Collection.objects.get()
    assert (made.media_types, made.max_size, made.start_within, made.valid_for) == (["text/csv", "image/*"], 5 << 30, 3600, 7200)
    page = client.get(f"/admin/collections/collection/{made.pk}/change/").content.decode()
    assert 'value="5 GiB"' in page and 'value="1 h"' in page and "text/csv\nimage/*</textarea>" in page


@pytest.mark.parametrize(
    ("units", "value", "text"),
    [
        ("SIZES", 1 << 40, "1 TiB"),
        ("SIZES", 1536 << 20, "1.5 GiB"),
        ("SIZES", 1000, "1000 bytes"),
        ("SIZES", 1_000_000_000, "976562.5 KiB"),
        ("SIZES", 0, "0 bytes"),
        ("SIZES", (1 << 63) - 1, "9223372036854775807 bytes"),
        ("TIMES", 900, "15 min"),
        ("TIMES", 86400, "1 day"),
        ("TIMES", 5400, "1.5 h"),
        ("TIMES", 7 * 86400, "7 days"),
        ("TIMES", 61, "61 s"),
    ],
)
def test_an_amount_is_shown_exactly_and_read_back(units, value, text):
    known = getattr(amounts, units)
    field = amounts.AmountField(units=known, alone="h" if units == "TIMES" else "GiB", least=0, most=2**63)
    assert amounts.in_units(value, known) == field.prepare_value(value) == text
    assert field.clean(text) == field.clean(text.upper().replace(" ", "")) == value
    assert not field.has_changed(value, text)


@pytest.mark.parametrize(
    ("typed", "either"),
    [("2,000 GiB", "2000, or 2.0"), ("1.500 TiB", "1500, or 1.5"), ("2,250 GiB", "2250, or 2.25"), ("100,000", "100000, or 100.0")],
)
def test_an_amount_that_can_be_read_in_two_ways_is_refused_and_both_are_shown(typed, either):
    field = amounts.AmountField(units=amounts.SIZES, alone="GiB", least=0, most=2**63)
    with pytest.raises(ValidationError, match=re.escape(either)):
        field.clean(typed)
    assert field.clean("2,5 GiB") == field.clean("2.5 GiB") and field.clean("1.125 GiB") == 1152 << 20


def test_emptied_list_of_media_types_means_any(client):
    fields = {"slug": "new", "title": "T", "max_size": 5, "media_types": "", "start_within": "15 min", "valid_for": "24 h"}
    body = urlencode({**fields, "max_uploads": 1, "active": "on"})
    assert client.post("/admin/collections/collection/add/", body, content_type=FORM).status_code == 302
    assert Collection.objects.get().media_types == []


@pytest.mark.django_db(transaction=True)
def test_a_new_collection_gets_its_folder_and_a_warning_says_how_where_it_did_not(client, folders):
    fields = {"slug": "new", "title": "T", "max_size": 5, "media_types": "", "start_within": "15 min", "valid_for": "24 h"}
    body = urlencode({**fields, "max_uploads": 1, "active": "on"})
    folders.refusing = StorageUnreachable()
    client.post("/admin/collections/collection/add/", body, content_type=FORM)
    page = client.get("/admin/collections/collection/").content
    assert Collection.objects.get().slug == "new" and b"storage_unreachable" in page and b"Save this again" in page
    folders.refusing = None
    client.post(f"/admin/collections/collection/{Collection.objects.get().pk}/change/", body, content_type=FORM)
    assert folders == ["new", "new"] and b"storage_unreachable" not in client.get("/admin/collections/collection/").content


def test_logging_out_of_the_admin_ends_the_browsers_binding_too(client):
    response = client.post("/admin/logout/", "", content_type=FORM)
    assert response["Location"] == "/accounts/login/"
    assert response.cookies["__Host-sluice-binding"]["max-age"] == 0
    assert client.get("/api/v1/uploads").status_code == 401


def days(count):
    return datetime.timedelta(days=count)


def test_a_key_that_is_to_last_for_centuries_is_made_in_no_way(client, person):
    latest = timezone.now() + days(LONGEST_DAYS)
    for end, made in ((latest + days(2), 0), (latest - days(2), 1)):
        fields = {"user": person.pk, "label": "", "may": "all", "expires_at_0": f"{end:%Y-%m-%d}", "expires_at_1": "00:00:00"}
        page = client.post("/admin/accounts/apikey/add/", urlencode(fields), content_type=FORM)
        assert (page.status_code, ApiKey.objects.count()) == (200, made)
    too_late = latest + days(400 * 365)
    for make in (
        lambda: api_keys.create(person, label="", expires_at=too_late, who=COMMAND),
        lambda: ApiKey.objects.create(user=person, prefix="x", expires_at=too_late),
    ):
        with pytest.raises(ValidationError, match="3650 days"):
            make()
    assert ApiKey.objects.count() == 1


UPLOAD = "019ab0c0-0000-7000-8000-000000000002"


@pytest.fixture
def stored(grant, receipt_for):
    actions.complete(receipt_for(grant, upload_id=UPLOAD), uploader=None, who=COMMAND)
    StoredUpload.objects.update(size=342_884_352, durable_at="2026-10-31T23:30:05Z")
    return grant


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", True),
        ("?q=ada", True),
        ("?q=mri-2026", True),
        ("?q=MRI+2026", True),
        ("?q=" + UPLOAD, True),
        ("?q=eve", False),
        ("?{date}__year=2026&{date}__month={month}", True),
        ("?{date}__year=2025", False),
        ("?{collection}__id__exact={pk}", True),
        ("?{collection}__id__exact={other}", False),
    ],
)
@pytest.mark.parametrize("model", ["grant", "storedupload"])
def test_grants_and_stored_uploads_are_found_by_person_collection_and_date(client, stored, model, query, found):
    other = Collection.objects.create(slug="ct-2026", title="CT 2026")
    names = {"date": "created_at", "collection": "collection", "month": stored.created_at.month}
    if model == "storedupload":
        names = {"date": "durable_at", "collection": "grant__collection", "month": 10}
    page = client.get(f"/admin/grants/{model}/{query.format(**names, pk=stored.collection_id, other=other.pk)}").content.decode()
    assert (f'/admin/grants/grant/{stored.pk}/change/' in page) is found


def test_what_is_stored_shows_units_seconds_and_zone_and_leads_to_its_grant_and_back(client, stored):
    page = client.get("/admin/grants/storedupload/").content.decode()
    assert "327 MiB (342,884,352 bytes)" in page and "2026-10-31 23:30:05 UTC" in page and ">ada<" in page
    page = client.get(f"/admin/grants/storedupload/{UPLOAD}/change/").content.decode()
    assert f'/admin/grants/grant/{stored.pk}/change/' in page
    page = client.get(f"/admin/grants/grant/{stored.pk}/change/").content.decode()
    assert f'/admin/grants/storedupload/{UPLOAD}/change/' in page and "1000 bytes" in page and f"{stored.created_at:%H:%M:%S} UTC" in page


def test_how_a_grant_ended_is_told_in_the_admin_as_in_the_list(client, grant):
    Grant.objects.update(state="cancelled", end="type_refused")
    assert "Refused: wrong type" in client.get("/admin/grants/grant/").content.decode()


def test_memberships_are_seen_from_both_sides(client, person, collection):
    membership = Membership.objects.get()
    Membership.objects.update(coordinates=True)
    link = f'<a href="/admin/collections/membership/{membership.pk}/change/">'
    page = client.get(f"/admin/collections/collection/{collection.pk}/change/").content.decode()
    assert f"{link}ada</a>: uploader and coordinator" in page
    page = client.get(f"/admin/accounts/user/{person.pk}/change/").content.decode()
    assert f"{link}mri-2026</a>: uploader and coordinator" in page
    for query in (f"user__id__exact={person.pk}", "q=ada", "q=mri", "coordinates__exact=1"):
        page = client.get(f"/admin/collections/membership/?{query}").content.decode()
        assert f"/admin/collections/membership/{membership.pk}/change/" in page


def test_the_audit_is_searched_filtered_and_exported_with_all_its_columns(client, person, operator, stored):
    def rows(query):
        answer = client.get(f"/admin/audit/auditevent/list.csv?{query}")
        return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode().removeprefix("\ufeff"), newline="")))

    for query, actions_found in (
        (f"q={stored.pk}", {"Grant Issued", "Grant Completed"}),
        (f"q={person.uploader_id}&action__exact=upload_stored", {"Upload Stored"}),
        ("q=nobody", set()),
    ):
        page = client.get(f"/admin/audit/auditevent/?{query}").content.decode()
        assert f'href="list.csv?{query.replace("&", "&amp;")}"' in page
        found = rows(query)
        assert {row["Action"] for row in found} == actions_found
        assert all(list(row) == ["At", "Action", "Actor", "Subject kind", "Subject", "Fields", "Person", "Address"] for row in found)
    assert AuditEvent.objects.filter(action="exported", actor=operator, subject_kind="auditevent").count() == 3
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", rows(f"q={stored.pk}")[0]["At"])
    assert f'/admin/grants/grant/?q={stored.pk}"' in client.get("/admin/audit/auditevent/").content.decode()


def test_an_export_of_what_makes_no_sense_is_not_there(client, grant):
    assert client.get("/admin/grants/grant/list.csv?created_at__year=x").status_code == 404


def test_an_export_runs_in_no_spreadsheet(client, person, collection):
    person.username = "=1+1"
    person.save()
    actions.issue(person, collection.slug, size=None, sha256=None, binding=None, who=COMMAND)
    text = b"".join(client.get("/admin/grants/grant/list.csv").streaming_content).decode()
    assert ",'=1+1," in text
