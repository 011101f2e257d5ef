"""A folder that cannot be opened is listed, and the run goes on: of one object, or of a month, a year or a collection of them."""

import errno
import json
import os
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from services_app.proof import statements
from services_app.store.errors import StoreUnavailable
from services_app.uploads import actions
from services_app.uploads.models import Upload
from tests.services_app.making import (
    COLLECTION,
    INTERNAL_KEY,
    WEB_APP,
    Connection,
    a_zip,
    announced,
    claims_object,
    received,
    request_body,
)
from tests.services_app.test_hidden_folders import a_file, away, dangling, hidden_part, mounted_over

pytestmark = pytest.mark.django_db


@pytest.fixture
def stored(known_store):
    return [received(request_body(a_zip(b"%d" % n)), claims_object(), announced(len(a_zip(b"1")))) for n in (1, 2, 3)]


@pytest.fixture
def closed(monkeypatch):
    """A function: opening this folder, and whatever lies in it, fails so from now on (tests run as root, whom no mode keeps out)."""

    def close(path, number):
        def failing(call):
            def refused(asked, *args, **more):
                if isinstance(asked, str) and f"{asked}/".startswith(f"{path}/") and not (call is os.stat and asked == path):
                    raise OSError(number, os.strerror(number))
                return call(asked, *args, **more)

            return refused

        for name in ("open", "stat"):
            monkeypatch.setattr(os, name, failing(getattr(os, name)))

    return close


def told(command, *options):
    out, err = StringIO(), StringIO()
    try:
        call_command(command, "--json", *options, stdout=out, stderr=err)
    except CommandError as exc:
        assert exc.returncode == 2, exc
    return json.loads(out.getvalue())


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.EPERM])
@pytest.mark.parametrize(("level", "above"), [(4, []), (3, ["unreadable"]), (2, ["unreadable"]), (1, ["unreadable"])])
@pytest.mark.parametrize("command", ["verify_store", "reconcile_store"])
def test_it_is_listed_and_the_run_goes_on(command, level, above, number, stored, known_store, closed):
    first = stored[0]
    place = actions.directory_of(first)[:level]
    inside = [first] if level == 4 else stored
    closed("/".join(("collections", *place)), number)
    report = told(command)
    found = {(one["what"], one["of"]) for one in report["findings"]}
    assert found == {("unreadable", str(each.id)) for each in inside} | {(what, "/".join(place)) for what in above}
    assert report.get("looked_at", report.get("compared")) == 3


def test_what_nobody_knows_and_cannot_open_is_left_by_rebuild_and_named(known_store, nas, closed):
    unknown = nas / "collections" / COLLECTION / "2026" / "11" / "01890000-0000-7000-8000-000000000001"
    unknown.mkdir(parents=True)
    closed(str(unknown.relative_to(nas)), errno.EACCES)
    found = [(one["what"], one["of"]) for one in told("rebuild")["findings"]]
    assert found == [("unreadable", unknown.name)]
    assert [(one["what"], one["of"]) for one in told("reconcile_store")["findings"]] == [("unknown", unknown.name)]


def test_it_does_not_keep_web_app_from_the_list_of_the_others(control, stored, closed):
    closed("/".join(("collections", *actions.directory_of(stored[0]))), errno.EACCES)
    listed = control("GET", f"/internal/v1/collections/{COLLECTION}/objects", peer=Connection(WEB_APP), token=INTERNAL_KEY).json()
    assert listed["objects"] == sorted(str(each.id) for each in stored)


OTHER = "another-one"


@pytest.fixture
def one_of_two(known_store):
    """A stored file, and one in another collection."""
    known_store.add_collection(OTHER)
    each = ({"collection": OTHER}, {})
    return [received(request_body(a_zip()), claims_object(**where), announced(len(a_zip()))) for where in each]


@pytest.mark.parametrize("hidden", [mounted_over, dangling, a_file])
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("command", ["verify_store", "reconcile_store"])
def test_what_is_in_the_way_to_one_file_is_told_of_that_one_and_the_run_goes_on(command, depth, hidden, one_of_two, known_store):
    with hidden(hidden_part(known_store, one_of_two[0], depth)):
        report = told(command)
        assert ("unreadable", str(one_of_two[0].id)) in {(one["what"], one["of"]) for one in report["findings"]}
        assert str(one_of_two[1].id) not in {one["of"] for one in report["findings"]}
        assert report.get("looked_at", report.get("compared")) == 2


@pytest.mark.parametrize("command", ["verify_store", "reconcile_store", "rebuild", "list_unknown"])
def test_a_store_that_is_away_ends_the_run(command, one_of_two, nas, capsys):
    with away(nas), pytest.raises(CommandError, match="not usable") as ended:
        call_command(command)
    assert ended.value.returncode == 1 and not {str(each.id) for each in one_of_two} & set("".join(capsys.readouterr()).split())


def test_a_collection_whose_list_cannot_be_read_is_named_and_the_others_are_listed(one_of_two, known_store, capsys):
    Upload.objects.all().delete()
    with mounted_over(hidden_part(known_store, one_of_two[0], 3)), pytest.raises(CommandError, match="1 failed"):
        call_command("list_unknown")
    said = capsys.readouterr()
    assert said.out == f"{one_of_two[1].id} in {COLLECTION}\nunknown 1\n"
    assert said.err.startswith(f"collection {OTHER}: StoreUnavailable")


def test_one_that_fails_for_a_moment_is_left_by_rebuild_and_named(one_of_two, known_store, monkeypatch):
    first, second = (each.id for each in one_of_two)
    Upload.objects.all().delete()
    read = statements.manifest

    def failing(store, folder, name):
        if folder.upload_id == str(first):
            raise StoreUnavailable("ESTALE")
        return read(store, folder, name)

    monkeypatch.setattr(statements, "manifest", failing)
    report = told("rebuild")
    assert [(one["what"], one["of"]) for one in report["findings"]] == [("unreadable", str(first))]
    assert list(Upload.objects.values_list("id", flat=True)) == [second]
