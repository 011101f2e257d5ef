"""Lists cost what they show, however much there is behind it."""

import contextlib
import datetime
import socket

import pytest
from django.contrib.auth import get_user
from django.contrib.auth.models import Group
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from web_app.accounts.models import User
from web_app.collections.models import Collection, Membership
from web_app.config.places import EXPORTS, LISTS
from web_app.grants import revoking
from web_app.grants.ids import uuid7
from web_app.grants.models import Grant, StoredUpload
from web_app.pages import lists
from web_app.pages.places import Export, Over

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def grant_with(person, collection, uploads: int) -> Grant:
    grant = Grant.objects.create(
        uploader=person,
        collection=collection,
        state="complete",
        max_size=9,
        max_uploads=uploads,
        created_at=NOW,
        start_by=NOW,
        expires_at=NOW,
    )
    rows = [
        StoredUpload(upload_id=uuid7(), grant=grant, size=n, sha256="0" * 64, media_type="", durable_at=NOW + datetime.timedelta(seconds=n))
        for n in range(uploads)
    ]
    StoredUpload.objects.bulk_create(rows)
    return grant


@pytest.mark.parametrize("path", ["/", "/verify/", "/uploads/", "/collections/", "/keys/", "/api/v1/collections"])
def test_a_collection_with_many_members_and_many_grants_costs_no_more_than_one_of_them(browser, person, collection, path):
    """No question joins what a collection has of one with what it has of the other: 500 members times 10,000 grants are minutes."""
    client = browser(person)
    with CaptureQueriesContext(connection) as asked:
        assert client.get(path).status_code == 200
    for sql in (query["sql"] for query in asked):
        joined = [table for table in ("collections_membership", "grants_grant", "grants_storedupload") if f'JOIN "{table}"' in sql]
        assert len(joined) < 2, sql


@pytest.mark.parametrize("order", lists.ORDERS)
def test_no_list_is_sorted_by_the_database_and_each_query_has_its_limit(browser, person, collection, order):
    """What it reads comes from an index in the order that is shown, whichever way the list is asked for."""
    grant_with(person, collection, 60)
    with CaptureQueriesContext(connection) as asked:
        assert browser(person).get(f"/uploads/?order={order}").status_code == 200
    read = [query["sql"] for query in asked if "kind" in query["sql"] and "ORDER BY" in query["sql"]]
    assert len(read) >= 4 and all("LIMIT 50" in sql for sql in read)
    if connection.vendor == "sqlite":
        for sql in read:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
                plan = " ".join(row[3] for row in cursor.fetchall())
            if order == "largest" and "declared_size" in sql:
                continue  # those that brought nothing are bounded by day, and go after a time
            assert "USING INDEX" in plan.replace("COVERING ", ""), plan
            assert "USE TEMP B-TREE FOR ORDER BY" not in plan, plan


def test_a_list_of_very_many_says_so_and_its_pages_end(browser, person, collection, monkeypatch):
    monkeypatch.setattr(lists, "MOST", 100)
    grant_with(person, collection, 101)
    client = browser(person)
    page = client.get("/uploads/?page=2").content.decode()
    assert "More than 100 uploads, page 2 of 2." in page and "Choose days" in page
    assert client.get("/uploads/?page=3").status_code == 404


def test_by_collection_is_one_collection_after_the_other(person, collection):
    other = Collection.objects.create(slug="a", title="A first one", max_size=9)
    for place in (collection, other):
        grant_with(person, place, 30)
    found = [lists.listed({"uploader": person}, lists.Wanted(order="collection", page=page)).rows for page in (1, 2)]
    titles = [row["collection_title"] for row in (*found[0], *found[1])]
    assert titles == ["A first one"] * 30 + ["MRI 2026"] * 30


def test_the_api_bounds_what_it_shows_of_a_grant_and_tells_where_the_rest_is(browser, person, collection):
    grant = grant_with(person, collection, 250)
    client = browser(person)
    (listed,) = client.get("/api/v1/uploads?limit=1").json()["uploads"]
    assert [upload["size"] for upload in listed["uploads"]] == list(range(240, 250)) and listed["size"] == 249
    sizes, address = [], f"/api/v1/uploads/{grant.id}"
    while address:
        one = client.get(address.removeprefix("https://localhost:8443")).json()
        assert len(one["uploads"]) <= 100 and one["size"] == 249
        sizes = [upload["size"] for upload in one["uploads"]] + sizes
        address = one["earlier"]
    assert sizes == list(range(250))
    (narrowed,) = client.get("/api/v1/uploads?stored_size=3,7").json()["uploads"]
    assert [upload["size"] for upload in narrowed["uploads"]] == [3, 7]


def test_one_persons_lists_are_made_one_after_the_other(browser, person, stranger, collection, monkeypatch):
    monkeypatch.setattr(LISTS, "_patience", 0.01)
    with LISTS.taken(person.pk):
        for path in ("/uploads/", "/api/v1/uploads"):
            refused = browser(person).get(path)
            assert (refused.status_code, refused["Retry-After"]) == (429, "2"), path
            assert browser(stranger).get(path).status_code == 200


def test_an_export_holds_its_place_until_its_reader_has_it_all(browser, person, collection):
    Membership.objects.filter(user=person).update(coordinates=True)
    client = browser(person)
    first = client.get(f"/collections/{collection.slug}/list.csv")
    assert first.status_code == 200
    assert client.get(f"/collections/{collection.slug}/receipts.zip").status_code == 429
    assert b"".join(first.streaming_content) and not EXPORTS._held
    assert client.get(f"/collections/{collection.slug}/receipts.zip").status_code == 200


@pytest.mark.parametrize("path", ["/admin/grants/grant/list.csv", "/admin/audit/auditevent/list.csv"])
def test_exports_of_the_admin_hold_a_place_too_and_count_for_the_day(browser, operator, settings, path):
    client, settings.PERSON_DAILY_MAX = browser(operator), 2
    first = client.get(path)
    assert EXPORTS._held[operator.pk] == 1
    assert client.get(path).status_code == 429
    assert b"".join(first.streaming_content) and not EXPORTS._held
    assert b"".join(client.get(path).streaming_content)
    assert "today" in client.get(path).content.decode() and not EXPORTS._held


def asked_by(client, **meta):
    request = RequestFactory().get("/", **meta)
    request.session = client.session
    request.user = get_user(request)
    return request


def test_an_export_whose_reader_goes_gives_its_place_back(browser, person):
    export = Export(asked_by(browser(person)), iter((b"1", b"2")), lambda person: True)
    assert next(export) == b"1" and EXPORTS._held[person.pk] == 1
    export.close()
    export.close()
    assert not EXPORTS._held


def _loses_the_role(person, client):
    Membership.objects.update(coordinates=False)


def _is_deactivated(person, client):
    User.objects.update(is_active=False)


def _gets_another_password(person, client):
    person.set_password("another long passphrase")
    person.save()


def _signs_out(person, client):
    client.session.flush()


def _takes_an_hour(person, client):
    pass


@pytest.mark.parametrize("what", [_loses_the_role, _is_deactivated, _gets_another_password, _signs_out, _takes_an_hour])
@pytest.mark.parametrize("path", ["/collections/{}/list.csv", "/collections/{}/receipts.zip", "/admin/grants/grant/list.csv"])
def test_an_export_ends_with_the_permission_that_it_was_begun_under(browser, person, collection, monkeypatch, what, path):
    Membership.objects.update(coordinates=True)
    User.objects.update(is_staff=True)
    person.groups.add(Group.objects.get(name="Auditors"))
    grant_with(person, collection, 3)
    client = browser(person)
    monkeypatch.setattr(Export, "LOOK_EVERY", 0.0)
    if what is _takes_an_hour:
        monkeypatch.setattr(Export, "AT_MOST", 0.0)
    elif what is _loses_the_role and path.startswith("/admin"):
        what = lambda person, client: person.groups.clear()  # noqa: E731
    answer = client.get(path.format(collection.slug))
    if what is not _takes_an_hour:
        assert next(answer.streaming_content)
    what(person, client)
    with pytest.raises(Over):
        list(answer.streaming_content)
    assert not EXPORTS._held


def test_a_reader_that_takes_nothing_is_waited_for_a_short_while(browser, person):
    here, _nginx = socket.socketpair()
    with here, _nginx, contextlib.closing(Export(asked_by(browser(person), **{"gunicorn.socket": here}), (), lambda person: True)):
        assert here.gettimeout() == Export.ONE_LINE


def test_a_list_of_the_admin_reads_nothing_of_what_it_does_not_show(browser, operator, person, collection):
    grant = grant_with(person, collection, 150)
    client = browser(operator)
    for path in ("/admin/grants/grant/", "/admin/grants/grant/list.csv"):
        with CaptureQueriesContext(connection) as asked:
            answer = client.get(path)
            assert answer.status_code == 200 and (not answer.streaming or b"".join(answer.streaming_content))
        assert not [query for query in asked if '"receipt"' in query["sql"]], path
    page = client.get(f"/admin/grants/grant/{grant.pk}/change/").content.decode()
    assert page.count("/admin/grants/storedupload/0") == 100 and "All 150" in page


def test_a_row_that_an_earlier_release_wrote_is_listed_once_reconcile_came_by(browser, person, collection):
    grant_with(person, collection, 1)
    StoredUpload.objects.update(uploader=None, collection=None)
    revoking._say_whose()
    stored = StoredUpload.objects.get()
    assert (stored.uploader, stored.collection) == (person, collection)
    assert str(stored.pk) in browser(person).get("/uploads/").content.decode()
