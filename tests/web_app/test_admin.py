"""The operators' admin: one door, nothing that a strict Content-Security-Policy would block, secrets shown once."""

import re
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest

from web_app.accounts import api_keys
from web_app.accounts.models import ApiKey
from web_app.audit.models import AuditEvent
from web_app.audit.record import COMMAND
from web_app.collections.models import Collection
from web_app.storage.errors import StorageUnreachable

pytestmark = pytest.mark.django_db

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def client(browser, operator):
    client = browser(operator)
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
    "/admin/audit/auditevent/",
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
    body = urlencode({"user": person.pk, "label": "nightly", "expires_at_0": "", "expires_at_1": ""})
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
        "media_types": "[]",
        "start_within": 900,
        "valid_for": 86400,
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
        ("start_within", 86401),
        ("valid_for", 8 * 86400),
        ("max_uploads", 0),
        ("max_uploads", 10001),
    ],
)
def test_collection_that_could_mint_no_good_token_is_refused(client, field, value):
    fields = {"slug": "new", "title": "T", "max_size": 5, "media_types": "[]", "start_within": 900, "valid_for": 86400}
    body = urlencode({**fields, "max_uploads": 1, "active": "on", field: value})
    assert client.post("/admin/collections/collection/add/", body, content_type=FORM).status_code == 200
    assert not Collection.objects.exists()


def test_a_type_typed_as_no_list_is_told_how_a_list_is_written(client):
    page = client.post("/admin/collections/collection/add/", urlencode({"slug": "new", "media_types": "text/csv"}), content_type=FORM)
    assert "Write a list in JSON, such as [&quot;text/csv&quot;, &quot;image/*&quot;]." in page.content.decode()


def test_emptied_list_of_media_types_means_any(client):
    fields = {"slug": "new", "title": "T", "max_size": 5, "media_types": "", "start_within": 900, "valid_for": 86400}
    body = urlencode({**fields, "max_uploads": 1, "active": "on"})
    assert client.post("/admin/collections/collection/add/", body, content_type=FORM).status_code == 302
    assert Collection.objects.get().media_types == []


@pytest.mark.django_db(transaction=True)
def test_a_new_collection_gets_its_folder_and_a_warning_says_how_where_it_did_not(client, folders):
    fields = {"slug": "new", "title": "T", "max_size": 5, "media_types": "", "start_within": 900, "valid_for": 86400}
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
