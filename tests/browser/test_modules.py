"""The page's pure modules, each in the browser that runs them."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from tests.conftest import STATE

if not settings.configured:
    settings.configure(USE_I18N=False)  # Django's formats and texts, in English, are all that is used of it here

from web_app.pages.templatetags.readable import readable_size, readable_type, readable_types

ROOT = STATE.parent
MODULES = "/static/pages/"


@pytest.fixture
def run(page, stack):
    """Evaluate an expression with one module's exports in scope."""
    page.goto(stack.url + "/uploads/")

    def evaluate(module: str, expression: str, argument=None):
        names = sorted(
            set(re.findall(r"\b[a-zA-Z]+(?=\()", expression)) | set(re.findall(r"new ([A-Z]\w+)", expression))
        )
        exported = ", ".join(name for name in names if name in exports(module))
        return page.evaluate(
            f"async (argument) => {{ const {{ {exported} }} = await import('{MODULES}{module}'); return {expression}; }}",
            argument,
        )

    return evaluate


def exports(module: str) -> set[str]:
    source = (ROOT / "web_app/pages/static/pages" / module).read_text()
    return set(re.findall(r"^export (?:async )?(?:function|class) (\w+)", source, re.MULTILINE))


def documented_codes() -> list[str]:
    table = (ROOT / "docs/upload-api.md").read_text().split("## Problem codes")[1]
    return re.findall(r"^\| `([a-z_]+)` \| \d{3} \|", table, re.MULTILINE)


SIZES = [0, 1, 1023, 1024, 1536, 99 * 1024, 100 * 1024, 342_884_352, 10 * 2**30, 1 << 40, 2**63 - 1]


def test_sizes_read_the_same_on_both_sides(run):
    assert run("format.js", "argument.map((bytes) => size(bytes))", SIZES) == [readable_size(size) for size in SIZES]
    assert readable_size(342_884_352) == "327 MiB"


def test_types_read_as_a_phrase():
    assert readable_types([]) == ""
    assert readable_types(["application/zip"]) == "ZIP"
    assert readable_types(["application/zip", "application/dicom", "image/*"]) == "ZIP, DICOM or any image file"
    assert readable_types(["application/x-sas-data", "text/csv"]) == "SAS dataset or CSV (comma, semicolon or tab)"
    assert readable_types(["application/gzip", "application/x-gzip", "application/*"]) == "gzip or any document, archive or data file"
    assert readable_type("text/csv") == "CSV (comma, semicolon or tab)" and readable_type("a/b") == "a/b"


def test_a_refusal_says_what_the_file_was_taken_for_in_the_same_words(page, stack, run):
    told = "argument.map((detected) => explain({code: 'type_refused', detected}, {types: 'ZIP'}).text.split('. ')[0])"
    assert run("messages.js", told, ["a/b", ""]) == [
        "By its content this is: a/b",
        "The type is read from the content, not from the name",
    ]
    page.goto(stack.url)
    assert (
        page.evaluate("async () => (await import('/static/pages/types.js')).typeInWords('application/x-sas-data')")
        == "SAS dataset"
    )


def test_what_is_too_much_and_what_there_may_be_never_read_the_same(run):
    quota = {"quota": "collection", "unit": "bytes", "limit": 4 << 20, "left": (2 << 20) - 100}
    asked = [[quota, (2 << 20) + 5], [quota, 3 << 20], [quota | {"left": None}, 2 << 20]]
    told = run("messages.js", "argument.map(([quota, bytes]) => explain({code: 'quota_exceeded', quota}, {bytes}).text)", asked)
    assert [text.split(". ")[0] for text in told] == [
        "2,097,052 bytes of 4,194,304 bytes left; this file has 2,097,157 bytes",
        "2 MiB of 4 MiB left; this file has 3 MiB",
        "Up to 4 MiB in all; this file has 2 MiB",
    ]
    told = run("messages.js", "argument.map((bytes) => explain({code: 'too_large'}, {bytes, limit: 4194304}).text)", [4 << 20 | 1, 5 << 20])
    assert [text.split(". ")[0] for text in told] == [
        "It has 4,194,305 bytes; this collection takes at most 4,194,304 bytes for one file",
        "It has 5 MiB; this collection takes at most 4 MiB for one file",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "a few seconds left"),
        (12, "about 15 s left"),
        (70, "about 1 min left"),
        (3600, "about 60 min left"),
        (3 * 3600 + 1700, "about 3 h 30 min left"),
        (11.8 * 3600, "about 11 h left"),
        (2 * 3600 - 60, "about 2 h left"),
    ],
)
def test_time_left_is_coarse(run, seconds, text):
    assert run("format.js", "timeLeft(argument)", seconds) == text


def test_a_hundred_percent_is_never_rounded_up_to(run):
    assert run("format.js", "percent(999, 1000)") == 99
    assert run("format.js", "sizeOf(1048575, 1048576)") == "1023 KiB of 1 MiB"


@pytest.mark.parametrize(
    ("taken", "total", "text"),
    [
        (0, 2 << 30, "0 of 2 GiB"),
        (64 << 10, 2 << 30, "64 KiB of 2 GiB"),
        (61 << 20, 2 << 30, "61 MiB of 2 GiB"),
        ((1 << 30) + (253 << 20), 2 << 30, "1.24 of 2 GiB"),
        (2 << 30, 2 << 30, "2.00 of 2 GiB"),
        (16 << 20, 48 << 20, "16.0 of 48 MiB"),
        (212 << 20, 327 << 20, "212 of 327 MiB"),
        ((1 << 40) - 1, 1 << 40, "1023 GiB of 1 TiB"),
        (5, 900, "5 of 900 bytes"),
    ],
)
def test_what_has_arrived_of_a_large_file_is_told_as_finely_as_of_a_small_one(run, taken, total, text):
    assert run("format.js", "sizeOf(...argument)", [taken, total]) == text

@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("plain.zip", "plain.zip"),
        ("a b'(c)*.zip", "a%20b%27%28c%29%2A.zip"),
        ("ä\u202e.zip", "%C3%A4%E2%80%AE.zip"),
    ],
)
def test_names_travel_as_rfc_8187_says(run, name, encoded):
    assert run("resource.js", "encodeFileName(argument)", name) == encoded


def test_a_name_that_is_no_unicode_still_travels(run):
    assert run("resource.js", "encodeFileName('a' + String.fromCharCode(0xD800))") == "a%EF%BF%BD"


def test_the_meter_glides_to_the_last_report(run):
    shown = run(
        "rate.js",
        """(() => {
            const meter = new Meter(1000, 0);
            meter.report(400, 1000); meter.report(600, 2000);
            return [2000, 2500, 3000, 9000].map((now) => meter.shown(now));
        })()""",
    )
    assert shown == [400, 500, 600, 600]


def test_the_meter_steps_back_at_once_to_what_is_left_and_keeps_the_speed(run):
    said = run(
        "rate.js",
        """(() => {
            const meter = new Meter(10000, 0);
            meter.report(1000, 1000); meter.report(3000, 3000);
            meter.report(500, 20000);
            const back = [meter.shown(20000), meter.speed(20000), meter.stalled(20000)];
            meter.report(1500, 21000);
            return [...back, meter.shown(22000), meter.speed(22000), meter.stalled(22000)];
        })()""",
    )
    assert said == [500, 1000, False, 1500, 1000, False]


def test_the_meter_knows_no_speed_before_two_seconds_nor_when_stalled(run):
    speeds = run(
        "rate.js",
        """(() => {
            const meter = new Meter(10000, 0);
            meter.report(100, 1000); const early = meter.speed(1000);
            meter.report(300, 3000); const known = meter.speed(3000);
            return [early, known, meter.speed(12000)];
        })()""",
    )
    assert speeds == [None, 100, None]


def test_every_documented_code_has_sentences_of_its_own(run):
    codes = documented_codes()
    assert len(codes) > 30
    # Never seen through nginx, so the page needs no words for it.
    codes.remove("peer_forbidden")
    said = run(
        "messages.js",
        "argument.map((code) => ({...explain({code, title: 'UNKNOWN'}), waits: explainWait({code})}))",
        codes,
    )
    for message in said:
        own = message["title"] != "UNKNOWN" or message["waits"] != "The server asks to wait"
        assert own, message["code"]


def test_a_file_that_cannot_be_read_is_said_to_be_kept_only_as_far_as_something_arrived(run):
    told = run("messages.js", "argument.map((kept) => explain({code: 'file_unreadable'}, {kept}).text)", [0, 1])
    assert ["Nothing was stored" in text for text in told] == [True, False]
    assert ["is kept" in text for text in told] == [False, True]


def test_nothing_is_said_to_be_kept_where_nothing_had_arrived(run):
    codes = sorted({*documented_codes(), "file_unreadable", "fate_unknown", "in_another_tab", "page_fault"})
    told = run("messages.js", "argument.map((code) => [code, ...[0, 1].map((kept) => explain({code}, {kept}).text)])", codes)
    assert [code for code, nothing, _ in told if re.search(r"\b(kept|safe|arrived whole)\b", nothing)] == []
    assert [code for code, _, some in told if "is kept" in some] == ["checksum_differs", "file_unreadable", "no_space", "quota_exceeded"]


def test_a_code_of_a_newer_server_is_told_in_the_servers_words(run):
    message = run("messages.js", "explain({code: 'brand_new', title: 'Brand new', detail: 'Do this.'})")
    assert (message["title"], message["action"]) == ("Brand new", "retry")
    assert "Do this." in message["text"]


def test_no_page_has_inline_code_or_foreign_addresses():
    for template in (ROOT / "web_app/pages/templates").rglob("*.html"):
        text = template.read_text()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", text), template.name
        assert "//" not in re.sub(r"<!--.*?-->", "", text), template.name
    for module in (ROOT / "web_app/pages/static/pages").glob("*.js"):
        forbidden = r"https?://|localStorage|sessionStorage|innerHTML" + (
            "" if module.name == "unfinished.js" else "|indexedDB"
        )
        assert not re.search(forbidden, module.read_text()), module.name


def test_no_module_is_long():
    for module in Path(ROOT / "web_app/pages/static/pages").glob("*.js"):
        assert len(module.read_text().splitlines()) <= 300, module.name


def test_a_sentence_that_sends_people_to_the_operator_names_the_contact_once(run):
    for text, contact, said in (
        ("Tell your Sluice operator, or leave it.", "$& desk", "Tell your Sluice operator ($& desk), or leave it."),
        ("Tell your Sluice operator.", "", "Tell your Sluice operator."),
        ("Try again.", "desk", "Try again."),
    ):
        assert run("operator.js", "withContact(argument[0], argument[1])", [text, contact]) == said
    assert "(desk)" in run("operator.js", "(document.documentElement.dataset.operator = 'desk', withContact('your Sluice operator'))")
