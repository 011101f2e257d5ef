"""What this person has sent to this collection before is asked about before its bytes travel."""

from playwright.sync_api import expect

from tests.browser.conftest import MIB, small
from tests.browser.test_folders import choose, filled
from tests.browser.test_interruptions import objects


def ask(uploads):
    return uploads.page.get_by_role("dialog", name="again?")


def store(uploads, *files) -> None:
    uploads.upload("demo", *files)
    for file in files:
        uploads.row(file["name"] if isinstance(file, dict) else file.name).expect_stored()
    uploads.clear()


def test_the_same_content_is_asked_about_whatever_it_is_called_and_nothing_is_sent_before_that(uploads, stack, line, varied):
    file = varied("scan.zip", 3 * MIB)
    store(uploads, file)
    line.carried, before = 0, objects(stack)
    renamed = file.rename(file.with_name("renamed.zip"))
    uploads.add(renamed)
    expect(ask(uploads)).to_contain_text("renamed.zip was stored in this collection on")
    assert line.carried < MIB and objects(stack) == before
    ask(uploads).get_by_role("button", name="Leave it out").click()
    expect(uploads.rows()).to_have_count(0)
    uploads.add(renamed)
    ask(uploads).get_by_role("button", name="Send again").click()
    uploads.row("renamed.zip").expect_stored()
    assert len(objects(stack) - before) == 1


def test_no_other_file_is_taken_for_it(uploads, varied):
    store(uploads, varied("scan.zip", 3 * MIB))
    store(uploads, varied("scan.zip", 3 * MIB, seed=2))


def test_another_collection_has_not_got_it(uploads):
    file = small("scan.zip")
    store(uploads, file)
    uploads.upload("archives", file)
    uploads.row("scan.zip").expect_stored()


def test_only_those_of_many_are_left_out_that_were_sent_before(uploads):
    known, fresh = small("known.zip"), small("fresh.zip")
    store(uploads, known)
    uploads.add(known, fresh)
    ask(uploads).get_by_role("button", name="Leave it out").click()
    uploads.row("fresh.zip").expect_stored()
    expect(uploads.rows()).to_have_count(1)


def test_a_folder_is_known_again_too(uploads, tmp_path):
    path = filled(tmp_path / "series", {"a.dcm": str(tmp_path).encode(), "b.dcm": b"2"})
    uploads.choose("demo")
    choose(uploads, path)
    uploads.row("series").expect_stored()
    uploads.clear()
    choose(uploads, path)
    expect(ask(uploads)).to_contain_text("series was stored in this collection")


def test_where_nobody_can_say_the_file_is_sent(uploads):
    file = small("scan.zip")
    store(uploads, file)
    uploads.page.route("**/api/v1/uploads?*", lambda route: route.abort())
    uploads.add(file)
    uploads.row("scan.zip").expect_stored()
