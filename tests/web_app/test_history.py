"""The list of own uploads, as a person reads it."""

import datetime
import re
from pathlib import Path

import pytest

from web_app.audit.record import COMMAND
from web_app.collections.models import Collection, Membership
from web_app.grants import actions, ends, refusals, revoking
from web_app.grants.models import Grant, StoredUpload
from web_app.grants.states import State
from web_app.pages import lists

pytestmark = pytest.mark.django_db

THREE = [f"019ab0c0-0000-7000-8000-00000000000{n}" for n in (2, 3, 4)]


def rows(page) -> list[str]:
    """Each row's state."""
    return re.findall(r'<span class="badge [a-z]+">([^<]+)</span>', page.content.decode())


def complete(grant, receipt_for, *upload_ids):
    for upload_id in upload_ids:
        actions.complete(receipt_for(grant, upload_id=upload_id), uploader=None, who=COMMAND)


@pytest.mark.parametrize("path", ["/", "/uploads/", "/uploads/recent"])
def test_each_file_of_a_grant_of_several_has_a_row_with_its_receipt(browser, person, grant, receipt_for, path):
    Grant.objects.update(max_uploads=3)
    complete(grant, receipt_for, *THREE)
    page = browser(person).get(path)
    assert rows(page) == ["Stored and verified"] * 3
    receipts = re.findall(r'href="(/api/v1/uploads/[^"]+)" download', page.content.decode())
    assert receipts == [f"/api/v1/uploads/{grant.id}/receipt?upload_id={each}" for each in reversed(THREE)]


def test_a_grant_that_may_still_bring_files_has_a_row_of_its_own(browser, person, grant, receipt_for):
    Grant.objects.update(max_uploads=3)
    complete(grant, receipt_for, *THREE[:2])
    assert rows(browser(person).get("/uploads/")) == ["Not finished yet", *["Stored and verified"] * 2]


def test_what_was_given_up_is_not_among_the_recent_unless_it_brought_something(browser, person, grant, receipt_for):
    Grant.objects.update(max_uploads=3, state=State.CANCELLED)
    assert rows(browser(person).get("/uploads/recent")) == []
    complete(grant, receipt_for, *THREE[:2])
    assert rows(browser(person).get("/uploads/recent")) == ["Cancelled", *["Stored and verified"] * 2]


def test_the_type_of_a_stored_file_is_told_in_words(browser, person, operator, grant, receipt_for):
    complete(grant, receipt_for, THREE[0])
    StoredUpload.objects.update(media_type="application/x-sas-data")
    cell = '<dd data-label="Type"><span title="application/x-sas-data">SAS dataset</span></dd>'
    for path in ("/", "/uploads/", "/uploads/recent"):
        assert cell in browser(person).get(path).content.decode()
    for path in ("/admin/grants/storedupload/", f"/admin/grants/storedupload/{THREE[0]}/change/"):
        assert "SAS dataset" in browser(operator).get(path).content.decode()


@pytest.mark.parametrize("state", [State.ISSUED, State.EXPIRED])
def test_what_a_script_was_refused_says_so_until_something_is_stored(browser, person, grant, receipt_for, state):
    Grant.objects.update(state=state, max_uploads=2, refused="type_refused")
    for path in ("/uploads/", "/uploads/recent"):
        assert rows(browser(person).get(path)) == ["Refused: wrong type"]
    complete(grant, receipt_for, THREE[0])
    assert rows(browser(person).get("/uploads/"))[1:] == ["Stored and verified"]
    assert "Refused" not in browser(person).get("/uploads/").content.decode()


def test_each_line_under_a_collection_begins_as_a_sentence_does(browser, person, collection):
    for types, said in (
        ([], "Any type of file"),
        (["image/*"], "Any image file"),
        (["application/x-empty"], "Empty file"),
    ):
        Collection.objects.update(media_types=types)
        assert f'<span class="choice-limits">{said}</span>' in browser(person).get("/").content.decode()


def at(day: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(f"{day}T12:00:00+00:00")


@pytest.fixture
def three(person, collection, receipt_for):
    """A stored file in each of two collections, and a permission that brought nothing: oldest first."""
    other = Collection.objects.create(slug="ct-2026", title="CT 2026", max_size=1000)
    Membership.objects.create(user=person, collection=other)
    made = {}
    for day, slug, size in (
        ("2026-10-01", "mri-2026", 300),
        ("2026-10-31", "ct-2026", 500),
        ("2026-11-02", "mri-2026", None),
    ):
        made[day], _ = actions.issue(person, slug, size=size, sha256=None, binding=None, who=COMMAND)
        Grant.objects.filter(pk=made[day].pk).update(created_at=at(day))
        if size:
            upload_id = f"019ab0c0-0000-7000-8000-0000000000{size // 10}"
            complete(made[day], lambda grant, size=size, **more: receipt_for(grant, size=size, **more), upload_id)
            StoredUpload.objects.filter(grant=made[day]).update(durable_at=at(day))
    return made


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ("", ["2026-11-02", "2026-10-31", "2026-10-01"]),
        ("?order=oldest", ["2026-10-01", "2026-10-31", "2026-11-02"]),
        ("?order=largest", ["2026-10-31", "2026-10-01", "2026-11-02"]),
        ("?order=collection", ["2026-10-31", "2026-11-02", "2026-10-01"]),
        ("?collection=mri-2026", ["2026-11-02", "2026-10-01"]),
        ("?since=2026-10-02", ["2026-11-02", "2026-10-31"]),
        ("?until=2026-10-31", ["2026-10-31", "2026-10-01"]),
        ("?since=2026-10-31&until=2026-10-31&collection=ct-2026", ["2026-10-31"]),
        ("?collection=nothing", []),
        ("?state=stored", ["2026-10-31", "2026-10-01"]),
        ("?state=unfinished", ["2026-11-02"]),
        ("?state=nothing", []),
        # Each stands at noon: in Auckland that is one in the morning of the next day (daylight saving), in Honolulu two of the same.
        ("?since=2026-11-01&zone=Pacific/Auckland", ["2026-11-02", "2026-10-31"]),
        ("?until=2026-10-31&zone=Pacific/Auckland", ["2026-10-01"]),
        ("?since=2026-10-31&until=2026-10-31&zone=Pacific/Honolulu", ["2026-10-31"]),
    ],
)
def test_the_list_is_filtered_by_collection_and_day_and_put_in_order(browser, person, three, query, days):
    page = browser(person).get(f"/uploads/{query}").content.decode()
    assert [day[:10] for day in re.findall(r'<td role="cell" data-label="When"><time datetime="([^"]+)"', page)] == days
    assert ("Nothing of yours fits this." in page) is not bool(days)


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=2",
        "page=x",
        "page=9999999",
        "order=name",
        "since=yesterday",
        "until=2026-13-01",
        "until=9999-12-31",
        "zone=Mars/Base",
        "zone=../etc",
        "state=gone",
        "collection=%00",
        "person=%00",
    ],
)
def test_what_makes_no_sense_in_a_list_is_not_there(browser, person, three, query):
    assert browser(person).get(f"/uploads/?{query}").status_code == 404


def test_a_list_of_others_shows_nothing_of_mine(browser, stranger, three):
    page = browser(stranger).get("/uploads/").content.decode()
    assert "Nothing uploaded yet." in page and "MRI 2026" not in page


def test_a_page_holds_fifty_rows_and_says_how_many_there_are(browser, person, grant, receipt_for):
    Grant.objects.update(max_uploads=60)
    complete(grant, receipt_for, *(f"019ab0c0-0000-7000-8000-{number:012}" for number in range(51)))
    first, second = (browser(person).get(f"/uploads/?page={page}").content.decode() for page in (1, 2))
    assert "52 uploads, page 1 of 2." in first and first.count("data-upload=") + first.count("data-grant=") == 50
    assert second.count("data-upload=") + second.count("data-grant=") == 2 and 'rel="next"' not in second
    assert 'href="/uploads/?page=2" rel="next"' in first


def test_a_list_takes_as_many_queries_for_fifty_rows_as_for_one(
    browser, person, grant, receipt_for, django_assert_max_num_queries
):
    Grant.objects.update(max_uploads=60)
    complete(grant, receipt_for, *(f"019ab0c0-0000-7000-8000-{number:012}" for number in range(49)))
    client = browser(person)
    with django_assert_max_num_queries(15):
        client.get("/uploads/")


def test_the_page_and_the_list_say_the_same_of_a_state():
    """One vocabulary: what the page says while it sends, and the list for ever after."""
    said = (Path(lists.__file__).parent / "static" / "pages" / "messages.js").read_text()
    for state in (State.COMPLETE, State.CANCELLED):
        assert f'"{lists.STATE_TEXTS[state]}' in said


def given_up(query=""):
    return lambda api, grant: api.delete(f"uploads/{grant.id}{query}")


def told(code, upload_code=None):
    """The services tier's answer, as `reconcile` hears it, after the person had given it up."""

    def end(api, grant):
        api.delete(f"uploads/{grant.id}")
        problem = {"code": upload_code} if upload_code else None
        uploads = [{"upload_id": THREE[0], "receipt": None, "state": "aborted", "problem": problem}] if upload_code else []
        Grant.objects.update(refused=refusals.of_grant({"uploads": uploads, "problem": {"code": code} if code else None}))

    return end


@pytest.mark.parametrize(
    ("end", "said", "code"),
    [
        (given_up(), "Cancelled", "cancelled"),
        (given_up("?because=type_refused"), "Refused: wrong type", "type_refused"),
        (given_up("?because=envelope_refused"), "Refused: a form, not the file", "envelope_refused"),
        (given_up("?because=superseded"), "Replaced by a newer try", "superseded"),
        (given_up("?because=file_unreadable"), "Stopped: file could not be read", "file_unreadable"),
        (given_up("?because=page_fault"), "Stopped by a fault", "stopped"),
        (given_up("?because=%3Cb%3E"), "Stopped by a fault", "stopped"),
        (given_up("?because=membership"), "Stopped by a fault", "stopped"),  # no page says so
        (told("type_refused"), "Refused: wrong type", "type_refused"),
        (told("grant_revoked", "digest_differs"), "Refused: another digest", "digest_differs"),
        (told("type_refused", "upload_cancelled"), "Cancelled", "upload_cancelled"),
        (told("grant_revoked"), "Cancelled", "cancelled"),
        (lambda api, grant: Membership.objects.update(may_upload=False), "Ended: no longer a member", "membership"),
        (lambda api, grant: Collection.objects.update(active=False), "Ended: collection closed", "collection"),
        (lambda api, grant: Grant.objects.update(state=State.EXPIRED), "Ran out of time", "expired"),
        (lambda api, grant: None, "Not finished yet", None),
    ],
)
def test_a_permission_that_brought_nothing_says_how_it_ended(browser, page_api, person, grant, end, said, code):
    api = page_api(person)
    end(api, grant)
    assert rows(browser(person).get("/uploads/")) == [said]
    assert api.get(f"uploads/{grant.id}").json()["end"] == code


def test_every_end_has_words_and_fits_its_column():
    causes = [getattr(revoking, name) for name in ("PERSON", "COLLECTION", "MEMBERSHIP", "LAST_DAY", "API_KEY", "API_KEY_SCOPE")]
    assert set(causes) | refusals.WORDS.keys() <= ends.WORDS.keys()
    assert all(len(code) <= Grant._meta.get_field("end").max_length for code in ends.WORDS)


def test_a_list_says_in_which_zone_its_days_are_and_its_bytes_exactly(browser, person, three):
    page = browser(person).get("/uploads/?since=2026-10-01&zone=Pacific/Auckland").content.decode()
    assert "from 2026-10-01 (days in Pacific/Auckland)" in page and 'name="zone" type="hidden" value="Pacific/Auckland"' in page
    StoredUpload.objects.update(size=342_884_352)
    page = browser(person).get("/uploads/").content.decode()
    assert '327 MiB<span class="exact"> (342,884,352 bytes)</span>' in page and "(UTC)" not in page


def test_the_pages_own_list_is_told_to_nobody_else(browser, person, stranger, three):
    for who, status in ((person, 200), (stranger, 403)):
        assert browser(who).get(f"/uploads/recent?person={person.uploader_id}").status_code == status


def test_the_page_that_verifies_knows_titles_of_who_may_know_them_alone(browser, person, stranger, collection):
    for client, title in ((browser(person), "MRI 2026"), (browser(stranger), None), (browser(), None)):
        page = client.get("/verify/").content.decode()
        assert ("MRI 2026" in page) is bool(title) and "SAS dataset" in page
