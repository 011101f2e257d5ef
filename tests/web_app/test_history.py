"""The list of own uploads, as a person reads it."""

import re

import pytest

from web_app.audit.record import COMMAND
from web_app.collections.models import Collection
from web_app.grants import actions
from web_app.grants.models import Grant
from web_app.grants.states import State

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
    assert rows(browser(person).get("/uploads/")) == ["Not completed yet", *["Stored and verified"] * 2]


def test_what_was_given_up_is_not_among_the_recent_unless_it_brought_something(browser, person, grant, receipt_for):
    Grant.objects.update(max_uploads=3, state=State.CANCELLED)
    assert rows(browser(person).get("/uploads/recent")) == []
    complete(grant, receipt_for, *THREE[:2])
    assert rows(browser(person).get("/uploads/recent")) == ["Cancelled", *["Stored and verified"] * 2]


def test_each_line_under_a_collection_begins_as_a_sentence_does(browser, person, collection):
    for types, said in (([], "Any type of file"), (["image/*"], "Any image file"), (["application/x-empty"], "Empty file")):
        Collection.objects.update(media_types=types)
        assert f'<span class="choice-limits">{said}</span>' in browser(person).get("/").content.decode()
