"""Quotas: set in units that people use, signed into tokens, and what is left of them as the services tier counts (ADR 0041)."""

from urllib.parse import urlencode

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from tests.web_app.conftest import just_signed_in
from tests.web_app.test_uploads_api import claims_of
from web_app.audit.models import AuditEvent
from web_app.collections.amounts import of_count
from web_app.collections.models import Collection
from web_app.config.places import LISTS
from web_app.storage.driver import RemoteStorageDriver
from web_app.storage.errors import StorageUnreachable

FORM = "application/x-www-form-urlencoded"
TIB, GIB = 1 << 40, 1 << 30
USED = {("person", None): (3, 3 * GIB), ("collection", "mri-2026"): (9, TIB), ("person_here", "mri-2026"): (2, GIB)}


@pytest.fixture
def used(monkeypatch):
    """What the services tier says; an exception in `refusing` is what it answers."""

    class Asked(list):
        refusing = None

    asked = Asked()

    def answer(driver, person, collections=()):
        asked.append((person, list(collections)))
        if asked.refusing:
            raise asked.refusing
        return {scope: {"objects": objects, "bytes": size} for scope, (objects, size) in USED.items()}

    monkeypatch.setattr(RemoteStorageDriver, "used", answer)
    return asked


def test_quotas_travel_in_the_token_of_a_new_permission_and_of_a_renewed_one(key_api, person, collection):
    api = key_api(person)
    assert "quotas" not in claims_of(api.post("uploads", {"collection": "mri-2026"}).json()["token"])
    Collection.objects.update(quota_bytes=2 * TIB, quota_objects=10_000, quota_objects_each=7)
    type(person).objects.update(quota_bytes=GIB)
    expected = {"collection": {"bytes": 2 * TIB, "objects": 10_000}, "person": {"bytes": GIB}, "person_here": {"objects": 7}}
    first = api.post("uploads", {"collection": "mri-2026"}).json()
    renewed = api.post(f"uploads/{first['id']}/token", {"upload_id": "019abcde-0000-7000-8000-00000000a001"}).json()
    assert claims_of(first["token"])["quotas"] == claims_of(renewed["token"])["quotas"] == expected


def test_an_operator_types_them_in_the_admin_as_people_write_them(browser, operator, person, collection):
    client = just_signed_in(browser(operator))
    client.handler.enforce_csrf_checks = False
    fields = {"title": "T", "max_size": 5, "start_within": 1, "valid_for": 2, "max_uploads": 1, "active": "on"}
    typed = {"quota_bytes": "2 TiB", "quota_objects": "10,000 files", "quota_bytes_each": "500 GiB", "quota_objects_each": "1 000"}
    page = f"/admin/collections/collection/{collection.pk}/change/"
    assert client.post(page, urlencode(fields | typed), content_type=FORM).status_code == 302
    made = Collection.objects.get()
    found = (made.quota_bytes, made.quota_objects, made.quota_bytes_each, made.quota_objects_each)
    assert found == (2 * TIB, 10_000, 500 * GIB, 1000)
    shown = client.get(page).content.decode()
    assert 'value="2 TiB"' in shown and 'value="10,000 files"' in shown
    assert client.post(page, urlencode(fields | {"quota_bytes": "0"}), content_type=FORM).status_code == 200
    assert client.post(page, urlencode(fields), content_type=FORM).status_code == 302
    assert Collection.objects.get().quota_bytes is None, "empty is none"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        *(("10,000", 10_000), ("10.000", 10_000), ("10 000 files", 10_000), ("1'234'567", 1_234_567), ("1 file", 1), ("", None)),
        *((wrong, ValidationError) for wrong in ("0", "10,00", "1.5", "-1", "many", "1,0000", "5 GiB", "9" * 19)),
    ],
)
def test_a_number_of_files_is_read_with_any_grouping_and_nothing_else_is(text, count):
    field = of_count(Collection._meta.get_field("quota_objects"))
    if count is ValidationError:
        with pytest.raises(ValidationError):
            field.clean(text)
    else:
        assert field.clean(text) == count


def test_a_command_sets_shows_and_takes_away(person, collection, used, capsys):
    call_command("quota", "--collection", "mri-2026", "--bytes", "2 TiB", "--files", "10,000", "--each-bytes", "500 GiB")
    assert capsys.readouterr().out.splitlines() == [
        "mri-2026: 1 TiB of 2 TiB, 9 of 10,000 files",
        "mri-2026, each person: 500 GiB",
    ]
    call_command("quota", "--person", "ada", "--bytes", "4")
    assert capsys.readouterr().out == "ada: 3 GiB of 4 GiB\n" and used[-1][0] == person.uploader_id
    told = [(event.action, event.subject_kind, event.subject_id, event.fields) for event in AuditEvent.objects.order_by("id")]
    assert told == [
        ("changed", "collection", "mri-2026", ["quota_bytes", "quota_objects", "quota_bytes_each"]),
        ("changed", "user", person.uploader_id, ["quota_bytes"]),
    ]
    used.refusing = StorageUnreachable()
    call_command("quota", "--collection", "mri-2026", "--files", "none")
    assert Collection.objects.get().quota_objects is None
    call_command("quota")
    assert capsys.readouterr().out.splitlines()[-3:] == ["mri-2026: 2 TiB", "mri-2026, each person: 500 GiB", "ada: 4 GiB"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--collection", "none-2026", "--bytes", "1"],
        ["--person", "nobody", "--bytes", "1"],
        ["--bytes", "1"],
        ["--collection", "mri-2026", "--bytes", "0"],
        ["--collection", "mri-2026", "--files", "many"],
        ["--person", "ada", "--each-files", "1"],
    ],
)
def test_what_makes_no_sense_is_said_and_changes_nothing(arguments, person, collection, used):
    with pytest.raises(CommandError):
        call_command("quota", *arguments)
    assert not AuditEvent.objects.exists() and Collection.objects.get().quota_bytes is None


def test_programs_are_told_each_limit_and_what_is_left_if_they_ask(key_api, person, collection, used):
    Collection.objects.update(quota_bytes=2 * TIB, quota_objects=5, quota_bytes_each=3 * GIB)
    type(person).objects.update(quota_objects=4)
    api = key_api(person)

    def told(query=""):
        return [tuple(one.values()) for one in api.get(f"collections{query}").json()["collections"][0]["quotas"]]

    limits = [("collection", "bytes", 2 * TIB), ("collection", "objects", 5), ("person", "objects", 4), ("person_here", "bytes", 3 * GIB)]
    assert told() == [(*limit, None) for limit in limits] and not used, "nobody is asked who was not to be"
    assert told("?left=yes") == [(*limit, left) for limit, left in zip(limits, [TIB, 0, 1, 2 * GIB], strict=True)]
    assert used == [(person.uploader_id, ["mri-2026"])]
    with LISTS.taken(person.pk), LISTS.taken():
        assert told("?left=yes")[0][-1] == TIB, "where the other tier hangs, lists go on, and the other way round"
    used.refusing = StorageUnreachable()
    assert told("?left=yes") == [(*limit, None) for limit in limits]
    assert api.get("collections?left=maybe").status_code == 400


def test_the_page_has_a_place_for_what_is_left_only_where_there_is_a_quota(browser, person, collection):
    client = browser(person)
    assert b"data-left" not in client.get("/").content
    type(person).objects.update(quota_bytes=GIB)
    assert b'data-left="mri-2026"' in client.get("/").content
