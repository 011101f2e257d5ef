"""What operators and ./run do with manage.py."""

import datetime
import re

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from web_app.accounts import api_keys
from web_app.accounts.models import ApiKey
from web_app.collections.models import Collection, Membership

pytestmark = pytest.mark.django_db


def test_collection_is_made_with_members_and_limits(person, stranger, capsys):
    call_command(
        "create_collection", "ct-2026", "--title", "CT", "--member", "ada", "--member", "eve", "--max-size", "5000",
        "--media-type", "application/zip", "--media-type", "image/*", "--start-within", "60", "--valid-for", "120",
        "--max-uploads", "7",
    )  # fmt: skip
    made = Collection.objects.get()
    assert (made.title, made.max_size, made.media_types) == ("CT", 5000, ["application/zip", "image/*"])
    assert (made.start_within, made.valid_for, made.max_uploads) == (60, 120, 7)
    assert set(made.members.all()) == {person, stranger}
    assert capsys.readouterr().out == "made: ct-2026; members added: 2\n"


def test_collection_that_is_there_keeps_its_limits_and_gets_the_members(person, stranger, collection, capsys):
    call_command("create_collection", "mri-2026", "--title", "Other", "--member", "eve", "--max-size", "5")
    collection.refresh_from_db()
    assert (collection.title, collection.max_size) == ("MRI 2026", 1000)
    assert Membership.objects.filter(user=stranger, may_upload=True).exists()
    assert capsys.readouterr().out == "there already: mri-2026; members added: 1\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["../x"], "slug"),
        (["ok", "--max-size", "0"], "max_size"),
        (["ok", "--media-type", "zip"], "media_types"),
        (["ok", "--start-within", "100000"], "start_within"),
        (["ok", "--member", "nobody"], "--member"),
    ],
)
def test_collection_that_could_not_work_is_refused_and_not_made(db, arguments, said):
    with pytest.raises(CommandError, match=said):
        call_command("create_collection", *arguments, "--title", "T")
    assert not Collection.objects.exists()


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
