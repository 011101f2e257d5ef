"""What operators and ./run do with manage.py."""

import datetime
import re

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from web_app.accounts import api_keys
from web_app.accounts.models import ApiKey
from web_app.collections import media_types
from web_app.collections.models import Collection, Membership
from web_app.storage.errors import StorageUnreachable

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("folders")]


def test_collection_is_made_with_members_and_limits(person, stranger, capsys):
    call_command(
        "create_collection", "ct-2026", "--title", "CT", "--member", "ada", "--member", "eve", "--max-size", "5000",
        "--media-type", "application/zip", "--media-type", "image/*", "--start-within", "60", "--valid-for", "120",
        "--max-uploads", "7", "--grants-open", "8", "--unfinished", "9", "--staged", "6000", "--unpack-folders",
    )  # fmt: skip
    made = Collection.objects.get()
    assert (made.title, made.max_size, made.media_types) == ("CT", 5000, ["application/zip", "image/*"])
    assert (made.start_within, made.valid_for, made.max_uploads) == (60, 120, 7)
    assert (made.grants_open, made.unfinished, made.staged) == (8, 9, 6000)
    assert made.unpack_folders and not Collection(slug="x").unpack_folders
    assert set(made.members.all()) == {person, stranger}
    assert capsys.readouterr().out == "made: ct-2026; members added: 2\n"


def test_folder_is_asked_of_the_services_tier_and_asked_again_where_it_gave_no_answer(person, folders, capsys):
    folders.refusing = StorageUnreachable()
    with pytest.raises(CommandError, match="storage_unreachable.*Run this again"):
        call_command("create_collection", "ct-2026", "--title", "CT")
    folders.refusing = None
    call_command("create_collection", "ct-2026", "--title", "CT")
    assert folders == ["ct-2026"] * 2 and Collection.objects.count() == 1
    call_command("create_collection", "own-2026", "--title", "Own", "--without-folder")
    assert folders == ["ct-2026"] * 2


def test_collection_that_is_there_gets_the_members_and_keeps_its_limits(person, stranger, collection, capsys):
    call_command("create_collection", "mri-2026", "--title", "MRI 2026", "--max-size", "1000", "--member", "eve")
    assert Membership.objects.filter(user=stranger, may_upload=True).exists()
    call_command("create_collection", "mri-2026", "--member", "eve")
    assert capsys.readouterr().out == "there already: mri-2026; members added: 1\nthere already: mri-2026; members added: 0\n"


def test_what_a_collection_that_is_there_has_otherwise_is_named_and_nothing_is_changed(person, stranger, collection, folders):
    given = {"title": "Other", "max_size": 5, "media_type": ["text/csv"], "start_within": 60, "valid_for": 120, "max_uploads": 7}
    given |= {"grants_open": 3, "unfinished": 3, "staged": 3}
    for option, value in given.items():
        with pytest.raises(CommandError, match=f"there already, with another --{option.replace('_', '-')}. Nothing was changed"):
            call_command("create_collection", "mri-2026", member=["eve"], **{option: value})
    limits = "--max-size, --media-type, --start-within, --valid-for, --max-uploads, --grants-open, --unfinished, --staged"
    with pytest.raises(CommandError, match=f"with another --title, {limits}."):
        call_command("create_collection", "mri-2026", **given)
    collection.refresh_from_db()
    assert (collection.title, collection.max_size, collection.media_types) == ("MRI 2026", 1000, [])
    assert not Membership.objects.filter(user=stranger).exists() and folders == []


def test_a_new_collection_needs_a_title(db):
    with pytest.raises(CommandError, match="title"):
        call_command("create_collection", "ct-2026")
    assert not Collection.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["../x"], "slug"),
        (["ok", "--max-size", "0"], "max_size"),
        (["ok", "--media-type", "zip"], "media_types: .* For 'zip': application/zip"),
        (["ok", "--media-type", "text/cvs"], "media_types: .* For 'text/cvs': text/csv"),
        (["ok", "--media-type", "text/csv", "--media-type", "application/x-nothing"], "media_types: .*x-nothing"),
        (["ok", "--media-type", "text/csv", "--media-type", "foo/bar"], "media_types: .* For 'foo/bar': nothing near it"),
        (["ok", "--media-type", "excel/*"], "For 'excel/\\*': .*application/vnd.ms-excel"),
        (["ok", "--media-type", "foo/*"], "media_types: No file is ever taken for"),
        (["ok", "--media-type", "application/vnd.hp-hpgl"], "media_types: No file is ever taken for"),
        (["ok", "--start-within", "100000"], "start_within"),
        (["ok", "--member", "nobody"], "--member"),
    ],
)
def test_collection_that_could_not_work_is_refused_and_not_made(db, arguments, said):
    with pytest.raises(CommandError, match=said):
        call_command("create_collection", *arguments, "--title", "T")
    assert not Collection.objects.exists()


def test_every_name_that_a_list_may_hold_makes_a_collection(db):
    for number, name in enumerate(sorted(media_types.names())):
        call_command("create_collection", f"c{number}", "--title", "T", "--media-type", name)
    assert Collection.objects.count() > 100


def test_the_collections_that_take_a_type_are_listed(collection, capsys):
    call_command("create_collection", "archives", "--title", "T", "--media-type", "application/zip")
    call_command("create_collection", "pictures", "--title", "T", "--media-type", "image/*", "--media-type", "text/csv")
    Collection.objects.create(slug="closed", title="T", active=False)
    capsys.readouterr()
    # What services_app's detect_type prints of an .xlsx.
    call_command("media_types", "application/zip", "application/x-zip", "application/*")
    assert capsys.readouterr().out == "archives: application/zip\nmri-2026: any type of file\n"
    call_command("media_types", "IMAGE/*")
    assert capsys.readouterr().out == "mri-2026: any type of file\npictures: image/*, text/csv\n"
    with pytest.raises(CommandError, match=r"No such type: text/cvs. Near it: text/csv."):
        call_command("media_types", "text/cvs")
    Collection.objects.exclude(slug="archives").delete()
    call_command("media_types", "text/csv")
    assert capsys.readouterr().out == "no collection takes it\n"


def test_the_types_that_may_be_named_are_listed_and_lists_of_before_that_name_others(db, capsys):
    Collection.objects.create(slug="old", title="T", media_types=["application/zip", "application/x-nothing"])
    call_command("media_types")
    lines = capsys.readouterr().out.splitlines()
    assert any(
        line.split() == ["SAS", "dataset", "application/x-sas-data,", "application/x-sas7bdat"] for line in lines
    )
    assert lines[-1] == "! old names what no file is taken for: application/x-nothing"


def test_api_key_is_printed_once_and_opens_the_api(person, capsys):
    call_command("create_api_key", "ada", "--label", "nightly", "--days", "30")
    text = capsys.readouterr().out.strip()
    assert re.fullmatch(r"slk_[a-z0-9]{12}_[A-Za-z0-9_-]{43}", text)
    assert api_keys.find(text).user == person
    lasts = ApiKey.objects.get().expires_at - timezone.now()
    assert datetime.timedelta(days=29) < lasts <= datetime.timedelta(days=30)


@pytest.mark.parametrize(
    "arguments", [["nobody"], ["ada", "--days", "0"], ["ada", "--days", "9999"], ["ada", "--label", "x" * 81]]
)
def test_api_key_for_nobody_or_for_ever_is_refused(person, arguments):
    with pytest.raises(CommandError):
        call_command("create_api_key", *arguments)
    assert not ApiKey.objects.exists()
