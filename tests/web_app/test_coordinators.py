"""Who coordinates a collection sees what arrived there from whom, and takes that along as files. Nobody else does; nobody reads a file."""

import csv
import datetime
import io
import re
import zipfile

import pytest

from tests.web_app.test_names_token import said
from web_app.accounts.models import User
from web_app.audit.models import AuditEvent, SecurityEvent
from web_app.audit.record import COMMAND
from web_app.collections.models import Collection, Membership
from web_app.config import tables
from web_app.grants import actions
from web_app.grants.models import Browser, Grant, Overseen, Revocation, StoredUpload
from web_app.pages import lists
from web_app.pages.totals import totals
from web_app.tokens.claims import cookie_digest

pytestmark = pytest.mark.django_db

PAGE = "/collections/mri-2026/"
IDS = [f"019ab0c0-0000-7000-8000-00000000000{n}" for n in range(5)]


@pytest.fixture
def coordinator(collection, stranger):
    Membership.objects.create(user=stranger, collection=collection, may_upload=False, coordinates=True)
    return stranger


def send(person, receipt_for, upload_id, at, size=100, slug="mri-2026"):
    grant, _ = actions.issue(person, slug, size=size, sha256=None, binding=None, who=COMMAND)
    actions.complete(receipt_for(grant, upload_id=upload_id, size=size), uploader=None, who=COMMAND)
    StoredUpload.objects.filter(pk=upload_id).update(durable_at=datetime.datetime.fromisoformat(at))
    return grant


@pytest.fixture
def sent(person, collection, receipt_for):
    """Two files of ada's, one of another uploader's with a name that a spreadsheet would run, one elsewhere, and one that was given up."""
    hostile = User.objects.create_user('=cmd|"/c calc"!A1')
    Membership.objects.create(user=hostile, collection=collection)
    other = Collection.objects.create(slug="ct-2026", title="CT 2026", max_size=1000)
    Membership.objects.create(user=person, collection=other)
    send(person, receipt_for, IDS[0], "2026-10-03T12:00:00+00:00")
    send(person, receipt_for, IDS[1], "2026-10-31T23:30:00+00:00", size=300)
    send(hostile, receipt_for, IDS[2], "2026-11-02T12:00:00+00:00", size=600)
    send(person, receipt_for, IDS[3], "2026-11-03T12:00:00+00:00", slug="ct-2026")
    given_up, _ = actions.issue(person, "mri-2026", size=None, sha256=None, binding=None, who=COMMAND)
    actions.cancel(given_up, who=COMMAND)
    Grant.objects.filter(pk=given_up.pk).update(created_at="2026-09-01T12:00:00Z")
    return given_up


def uploads_on(page) -> list[str]:
    return re.findall(r'data-upload="([^"]+)"', page.content.decode())


FILES = [PAGE, PAGE + "list.csv", PAGE + "receipts.zip", f"{PAGE}receipts/{IDS[0]}"]


@pytest.mark.parametrize("path", FILES)
def test_a_coordinator_alone_sees_what_arrived(browser, coordinator, person, operator, sent, path):
    assert browser(coordinator).get(path).status_code == 200
    for client in (browser(person), browser(operator)):  # an uploader, and a superuser who is no member
        assert client.get(path).status_code == 404
    assert SecurityEvent.objects.filter(kind="collection_forbidden").count() == 2
    assert browser().get(path).status_code == 302
    for other in ("ct-2026", "none"):
        assert browser(coordinator).get(path.replace("mri-2026", other)).status_code == 404


@pytest.mark.parametrize("change", [{"coordinates": False}, {"user__is_active": False}])
def test_the_role_ends_at_once(browser, coordinator, sent, change):
    client = browser(coordinator)
    assert client.get(PAGE).status_code == 200
    if "coordinates" in change:
        Membership.objects.filter(user=coordinator).update(**change)
    else:
        User.objects.filter(pk=coordinator.pk).update(is_active=False)
    assert client.get(PAGE).status_code in (302, 404)


def test_a_closed_collection_can_still_be_looked_into(browser, coordinator, sent):
    Collection.objects.update(active=False)
    assert len(uploads_on(browser(coordinator).get(PAGE))) == 3


def test_who_coordinates_without_uploading_gets_no_token(page_api, key_api, coordinator, sent):
    for api in (page_api(coordinator), key_api(coordinator)):
        assert api.get("collections").json() == {"collections": []}
        answer = api.post("uploads", {"collection": "mri-2026"})
        assert (answer.status_code, answer.json()["code"]) == (403, "collection_forbidden")
        assert api.get(f"uploads/{sent.id}").status_code == 404
        assert api.post(f"uploads/{sent.id}/token", {"upload_id": IDS[0]}).status_code == 404


@pytest.mark.parametrize(
    ("query", "found", "given_up"),
    [
        ("", [2, 1, 0], True),
        ("?order=largest", [2, 1, 0], True),
        ("?order=oldest", [0, 1, 2], True),
        ("?person={ada}", [1, 0], True),
        ("?since=2026-10-31", [2, 1], False),
        ("?since=2026-11-01&zone=Europe/Zurich", [2, 1], False),
        ("?until=2026-10-31&zone=Europe/Zurich", [0], True),
        ("?state=stored", [2, 1, 0], False),
        ("?state=nothing", [], True),
        ("?person=nobody", [], False),
        ("?collection=ct-2026", [], False),
    ],
)
def test_the_list_is_found_by_person_state_and_day_and_so_are_its_files(browser, coordinator, person, sent, query, found, given_up):
    query, client = query.replace("{ada}", person.uploader_id), browser(coordinator)
    page = client.get(PAGE + query)
    assert uploads_on(page) == [IDS[n] for n in found]
    with zipfile.ZipFile(io.BytesIO(b"".join(client.get(f"{PAGE}receipts.zip{query}").streaming_content))) as archive:
        assert sorted(archive.namelist()) == [f"receipt-{IDS[n]}.jws" for n in sorted(found)]
        assert all(archive.read(f"receipt-{IDS[n]}.jws").decode() == StoredUpload.objects.get(pk=IDS[n]).receipt for n in found)
    assert [row["Upload"] for row in table(client, query) if row["Upload"]] == [IDS[n] for n in found]
    assert (f'data-grant="{sent.id}"' in page.content.decode()) is given_up


def table(client, query="") -> list[dict]:
    text = b"".join(client.get(f"{PAGE}list.csv{query}").streaming_content).decode()
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:], newline="")))


def test_the_table_holds_every_column_but_a_name_and_runs_in_no_spreadsheet(browser, coordinator, sent):
    rows = table(browser(coordinator))
    assert [row["Person"] for row in rows] == ['\'=cmd|"/c calc"!A1', "ada", "ada", "ada"]
    assert rows[0]["Bytes"] == "600" and rows[0]["When (UTC)"] == "2026-11-02 12:00:00" and rows[0]["SHA-256"] == "ab" * 32
    assert (rows[3]["State"], rows[3]["Permission"]) == ("Cancelled", str(sent.id))
    assert not [column for column in rows[0] if "file" in column.lower() or column == "Name"]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("ada", "ada"),
        ("a=b-c", "a=b-c"),
        (5, "5"),
        ("", ""),
        *((f"{begin}x", f"'{begin}x") for begin in ("=", "+", "-", "@", "\t", "\r", "\n", " =", "＝", "\ufeff=")),
    ],
)
def test_a_cell_that_a_spreadsheet_would_run_is_text(text, written):
    assert tables.harmless(text) == written


def test_a_table_of_any_length_takes_few_queries(browser, coordinator, person, grant, receipt_for, django_assert_max_num_queries):
    Grant.objects.update(max_uploads=60)
    for number in range(40):
        actions.complete(receipt_for(grant, upload_id=f"019ab0c0-0000-7000-8000-{number:012}"), uploader=None, who=COMMAND)
    client = browser(coordinator)
    with django_assert_max_num_queries(18):
        assert len(table(client)) == 41
    with django_assert_max_num_queries(20):
        client.get(PAGE)


def test_what_is_taken_along_stands_in_the_audit(browser, coordinator, sent):
    client = browser(coordinator)
    for file in ("list.csv", "receipts.zip"):
        list(client.get(PAGE + file).streaming_content)
    events = AuditEvent.objects.filter(action="exported").order_by("id")
    assert [(event.actor, event.subject_id, event.fields) for event in events] == [
        (coordinator, "mri-2026", ["csv"]),
        (coordinator, "mri-2026", ["zip"]),
    ]


def test_totals_are_by_person_and_by_month_of_the_readers_zone(sent, collection):
    stored = lists.stored({"collection": collection}, lists.Wanted())

    def figures(zone):
        found = totals(stored, zone)
        return [str(month) for month in found.months], {
            row.name[:4]: [(cell.files, cell.size) for cell in (*row.cells, row.total)] for row in (*found.rows, found.all)
        }

    months, rows = figures("UTC")
    assert months == ["2026-10-01", "2026-11-01"]
    assert rows == {"=cmd": [(0, 0), (1, 600), (1, 600)], "ada": [(2, 400), (0, 0), (2, 400)], "Ever": [(2, 400), (1, 600), (3, 1000)]}
    assert figures("Europe/Zurich")[1]["ada"] == [(1, 100), (1, 300), (2, 400)]
    StoredUpload.objects.filter(pk=IDS[0]).update(durable_at="2024-01-01T00:00:00Z")
    found = totals(stored, "UTC")
    assert len(found.months) == 13 and found.months[0] is None and found.all.cells[0].files == 1


def test_people_beyond_the_picture_stand_together(sent, collection, receipt_for):
    for number in range(25):
        user = User.objects.create_user(f"site-{number:02}")
        Membership.objects.create(user=user, collection=collection)
        send(user, receipt_for, f"019ab0c0-0000-7000-8000-0000000001{number:02}", "2026-11-02T12:00:00+00:00", size=10)
    found = totals(lists.stored({"collection": collection}, lists.Wanted()), "UTC")
    assert len(found.rows) == 20 and found.rows[-1].name == "8 others" and found.rows[-1].total.size == 80
    assert found.all.total.files == sum(row.total.files for row in found.rows) == 28


def test_the_way_to_the_page_is_shown_to_who_may_go_there(browser, coordinator, person, operator, sent):
    for user, shown in ((coordinator, ["Collections"]), (person, []), (operator, ["Admin"])):
        page = browser(user).get("/").content.decode()
        assert [words for words in ("Collections", "Admin") if f">{words}</a>" in page] == shown
    assert "MRI 2026" in browser(coordinator).get("/collections/").content.decode()
    assert "You coordinate no collection." in browser(person).get("/collections/").content.decode()


def test_names_of_a_collection_are_for_its_coordinator(page_api, coordinator, person, sent):
    api = page_api(coordinator)
    asked = {"grants": [str(sent.id)], "uploads": IDS[:4], "collection": "mri-2026"}
    answer = api.post("names", asked)
    claims = said(answer.json()["token"])[1]
    assert (claims["sub"], claims["collection"], claims["grants"]) == (coordinator.uploader_id, "mri-2026", [str(sent.id)])
    assert sorted(claims["uploads"]) == IDS[:3]  # the fourth lies elsewhere
    assert [event.subject_id for event in AuditEvent.objects.filter(action="names_read", actor=coordinator)] == ["mri-2026"]
    assert api.post("names", {**asked, "collection": "ct-2026"}).json()["code"] == "collection_forbidden"
    own = {name: ids for name, ids in asked.items() if name != "collection"}
    assert api.post("names", own).status_code == 404
    assert page_api(person).post("names", asked).status_code == 403
    assert "collection" not in said(page_api(person).post("names", own).json()["token"])[1]


@pytest.mark.parametrize("end", ["the role", "the membership", "the account"])
def test_a_token_for_the_names_of_a_collection_ends_with(page_api, coordinator, sent, end):
    api = page_api(coordinator)
    api.post("names", {"uploads": IDS[:1], "collection": "mri-2026"})
    digest = cookie_digest(api.client.cookies["__Host-sluice-binding"].value)
    membership = Membership.objects.get(user=coordinator)
    membership.save()
    assert Browser.objects.get(digest=digest).person == coordinator and not Revocation.objects.filter(browser=digest)
    if end == "the role":
        membership.coordinates = False
        membership.save()
    elif end == "the membership":
        membership.delete()
    else:
        coordinator.is_active = False
        coordinator.save()
    assert Revocation.objects.filter(browser=digest).exists()
    assert end == "the account" or not Overseen.objects.exists()
