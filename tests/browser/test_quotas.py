"""What is left of a quota stands beside the collection, and a refusal says which it is and what is left (ADR 0041)."""

from playwright.sync_api import expect

from tests.browser.upload_page import UploadPage


def test_what_is_left_is_seen_before_and_after_and_told_where_it_is_too_little(own_page, own_stack):
    own_stack.create_collection("bounded")  # into which nobody sent anything before
    own_stack.manage("web_app", "quota", "--collection", "bounded", "--bytes", "3 MiB", "--each-files", "2")
    uploads = UploadPage(own_page, own_stack.url).open()
    left = own_page.locator("[data-left=bounded]")
    expect(left).to_have_text("3 MiB of 3 MiB left · 2 of 2 files left for you")
    uploads.upload("bounded", {"name": "a.bin", "mimeType": "", "buffer": b"a" * (1 << 20)})
    uploads.row("a.bin").expect_stored()
    expect(left).to_have_text("2 MiB of 3 MiB left · 1 of 2 files left for you")
    uploads.add({"name": "b.bin", "mimeType": "", "buffer": b"b" * (2 << 20) + b"b"})
    row = uploads.row("b.bin")
    row.expect_refused("quota_exceeded")
    expect(row.part("note")).to_contain_text("2,097,152 bytes of 3,145,728 bytes left; this file has 2,097,153 bytes.")
    expect(row.part("note")).to_contain_text("Nothing was stored")
    own_stack.manage("web_app", "quota", "--collection", "bounded", "--bytes", "none")
    row.element.get_by_role("button", name="Try again").click()
    row.expect_stored()
    expect(left).to_have_text("0 of 2 files left for you")
