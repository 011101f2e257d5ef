"""Pictures of what people see, kept in .state/screenshots: desktop and phone, light and dark."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import BIG, READER, give_up_all, sign_in, small, watch_for_faults
from tests.browser.upload_page import UploadPage

MIB = 1 << 20
SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}

OTHERS = {
    "/accounts/password/": "password",
    "/accounts/sessions/": "sessions",
    "/accounts/forgotten/": "forgotten",
    "/accounts/new-password/": "new-password",
    "/keys/": "keys",
    "/verify/": "verify",
    "/admin/accounts/user/": "admin-people",
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_photographed(browser, stack, collections, line, sized, screenshots, scheme, size):
    give_up_all(stack)
    options = {"viewport": SIZES[size], "color_scheme": scheme, "has_touch": size == "phone", **READER}
    with browser.new_context(**options) as context:
        page = context.new_page()
        faults = watch_for_faults(page)

        def photograph(name: str) -> None:
            path = screenshots / f"{name}-{size}-{scheme}.png"
            page.screenshot(path=path, full_page=True)
            assert path.stat().st_size > 5000

        page.goto(stack.url + "/accounts/login/")
        photograph("login")
        sign_in(page, stack)
        uploads = UploadPage(page, stack.url).open()
        photograph("empty")

        line.rate = 60 * MIB
        file = sized("series of site 4.zip", BIG)
        uploads.upload("archives", file)
        row = uploads.row(file.name)
        uploads.add(small("notes.txt", b"plain text, not an archive"))
        uploads.row("notes.txt").expect_refused("type_refused")
        row.part("pace").filter(has_text="left").wait_for()
        photograph("under-way")
        row.expect_stored()
        expect(page.locator("#recent tbody tr").first).to_contain_text("327 MiB")
        photograph("done")

        line.rate = 16 * MIB
        cut = sized("series 5.zip", 96 * MIB)
        uploads.add(cut)
        uploads.row(cut.name).part("taken").filter(has_text="(1").wait_for()
        line.go_down()
        uploads.row(cut.name).expect_state("waiting")
        photograph("waiting")
        line.restore()
        uploads.row(cut.name).expect_state("sending")
        uploads.row(cut.name).button("Pause").click()
        uploads.row(cut.name).expect_state("paused")
        photograph("paused")
        page.on("dialog", lambda dialog: dialog.accept())
        uploads.open()
        expect(page.locator("#unfinished li")).to_have_count(1)
        photograph("unfinished")
        page.locator("#unfinished").get_by_role("button", name="Discard").click()
        photograph("question")
        uploads.question().get_by_role("button", name="Discard").click()
        expect(page.locator("#unfinished")).to_be_hidden()

        page.goto(stack.url + "/uploads/")
        page.locator("summary").first.click()
        photograph("history")
        page.goto(stack.url + "/no-such-page")
        photograph("not-found")
        for path, name in OTHERS.items():
            page.goto(stack.url + path)
            photograph(name)
        assert not faults
