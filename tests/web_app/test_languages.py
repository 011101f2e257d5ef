"""Every language is complete: what is marked stands in each catalog, and nothing on a page is unmarked (ADR 0043, docs/languages.md)."""

import json
import re
from html.parser import HTMLParser

import pytest
from babel.messages.pofile import read_po
from django.conf import settings as django_settings
from django.utils import translation

from tests.web_app import texts
from tests.web_app.texts import SCRIPTS, WEB_APP, Text
from web_app.accounts import links, post
from web_app.config import catalogs, places
from web_app.config.errors import TooManyAtOnce

OTHERS = [code for code, _ in django_settings.LANGUAGES if code != "en-gb"]
PLACE = re.compile(r"%\(\w+\)s|\{\w+\}|<[^>]*>")
# Stands for a contact too (operator.js), so every sentence has it in the same words.
OPERATOR = "your Sluice operator"
# What is the same everywhere, and no text of ours.
NAMES = re.compile(r"Sluice|SHA-256|UTC|Authorization: Bearer …")


def of_pages(language: str) -> dict[Text, tuple[str, ...]]:
    with (catalogs.SOURCES / language / "LC_MESSAGES" / "django.po").open("rb") as file:
        found = [message for message in read_po(file) if message.id]
    assert not [message.id for message in found if message.fuzzy]
    return {message.id: message.string if message.pluralizable else (message.string,) for message in found}


def of_scripts(language: str) -> dict[str, tuple[str, ...]]:
    """Of what is counted by its English text for many, as text.js looks for it."""
    source = (SCRIPTS / "texts" / f"{language}.js").read_text()
    assert source.startswith("export default {\n") and source.endswith("};\n")
    entries = re.sub(r"\b(one|other|many|few|two|zero):", r'"\1":', source.removeprefix("export default ").removesuffix(";\n"))
    said = json.loads(re.sub(r",\n}", "\n}", entries))
    return {english: (text,) if isinstance(text, str) else tuple(text.values()) for english, text in said.items()}


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_is_translated_and_none_that_is_gone(language):
    marked, said = texts.of_web_app(), of_pages(language)
    assert sorted(map(str, marked - said.keys())) == []
    assert sorted(map(str, said.keys() - marked)) == []
    in_scripts, found = {of_many(text): text for text in texts.of_scripts()}, of_scripts(language)
    assert sorted(in_scripts.keys() - found.keys()) == []
    assert sorted(found.keys() - in_scripts.keys()) == []
    assert {english: (said[english], found[english]) for english in said.keys() & found.keys() if said[english] != found[english]} == {}
    operator = said[OPERATOR][0]
    for english, forms in [*said.items(), *((in_scripts[english], forms) for english, forms in found.items())]:
        for form in forms:
            assert form.strip(), english
            places = [set(PLACE.findall(one)) for one in ((english,) if isinstance(english, str) else english)]
            # One file need not be counted.
            assert set.intersection(*places) <= set(PLACE.findall(form)) <= places[-1], (english, form)
            if OPERATOR in of_many(english):
                assert operator in form, (english, form)


def of_many(text: Text) -> str:
    return text if isinstance(text, str) else text[1]


class Words(HTMLParser):
    """What people read or hear of a page."""

    ATTRIBUTES = {"alt", "aria-label", "data-copied-says", "data-label", "data-late", "placeholder", "title"}

    def __init__(self):
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in self.ATTRIBUTES and value]

    def handle_data(self, data):
        self.found.append(data)


@pytest.mark.parametrize("path", texts.pages(), ids=lambda path: path.stem)
def test_nothing_that_a_page_says_is_unmarked(path):
    marked = r"{% blocktranslate\b.*?{% endblocktranslate %}"
    words = Words()
    words.feed(re.sub(rf"{marked}|{{%.*?%}}|{{{{.*?}}}}|{{#.*?#}}", "", path.read_text(), flags=re.DOTALL))
    left = [NAMES.sub("", text).strip() for text in words.found]
    assert [text for text in left if re.search(r"[A-Za-z]{2}", text)] == []


LITERAL = re.compile(r'"(?:[^"\\\n]|\\.)*"|`[^`]*`')
# Not for people: selectors, conditions, header values, names of faults.
NOT_SAID = re.compile(r"[#.\[(].*|tbody tr|attachment; .*|another (length|person)|given up|sluice folder|signed out|status .*|.*\w\[.*")


@pytest.mark.parametrize("path", sorted(path for path in SCRIPTS.glob("*.js") if path.name != "admin.js"), ids=lambda path: path.stem)
def test_nothing_that_a_script_says_is_unmarked(path):
    source = re.sub(r"/\*.*?\*/|(?<![:\w\"'`])//[^\n]*", "", path.read_text(), flags=re.DOTALL)
    source = re.sub(rf"(?:{texts.MARKED.pattern})(?:,\s*\{{[^{{}}]*\}})?", "(", source)
    while (plain := re.sub(r"\$\{[^{}`]*\}", "", source)) != source:
        source = plain
    said = [one for one in LITERAL.findall(source) if re.search(r"[A-Za-z]{2,}[,.:;]? [a-z]{2,}", one)]
    assert [one for one in said if not NOT_SAID.fullmatch(one[1:-1])] == []


@pytest.mark.parametrize("path", sorted([*SCRIPTS.glob("*.js"), *SCRIPTS.glob("*.css")]), ids=lambda path: path.name)
def test_no_script_or_style_looks_for_what_is_translated(path):
    assert re.findall(rf"\[(?:{'|'.join(Words.ATTRIBUTES)})=[^\]]*\]", path.read_text()) == []


@pytest.fixture
def compiled(settings, tmp_path):
    """As `collectstatic` leaves them."""
    catalogs.compile_into(tmp_path)
    settings.LOCALE_PATHS = [tmp_path]
    yield
    translation.activate(settings.LANGUAGE_CODE)


@pytest.mark.parametrize(
    ("asked", "language", "heading"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de", "Anmelden"),
        ("en-US,en;q=0.9,de;q=0.5", "en-gb", "Sign in"),
        ("nl,xx;q=0.5", "en-gb", "Sign in"),
        ("*", "en-gb", "Sign in"),
        ("de;q=nonsense\x01", "en-gb", "Sign in"),
        ("", "en-gb", "Sign in"),
    ],
)
@pytest.mark.django_db
def test_a_page_is_in_the_language_that_the_browser_asks_for(browser, compiled, asked, language, heading):
    page = browser().get("/accounts/login/", headers={"Accept-Language": asked})
    assert f'<html lang="{language}"' in page.text and f"<h1>{heading}</h1>" in page.text
    assert page["Content-Language"] == language and "Accept-Language" in page["Vary"]


@pytest.mark.parametrize("path", ["/api/v1/uploads", "/admin/", "/healthz"])
@pytest.mark.django_db
def test_what_programs_and_operators_read_is_english(browser, operator, compiled, path):
    german = {"Accept-Language": "de"}
    client = browser(operator)
    client.get("/", headers=german)
    answer = client.get(path, headers=german)
    assert "Content-Language" not in answer and "Accept-Language" not in answer.get("Vary", "")
    refusal = browser().get("/api/v1/uploads", headers=german)
    assert refusal.json()["title"] == "Sign in first"


@pytest.mark.django_db
def test_a_problem_that_is_met_on_a_page_is_told_in_its_language(browser, person, compiled, monkeypatch):
    def refuse(*_):
        raise TooManyAtOnce

    monkeypatch.setattr(places.Places, "taken", refuse)
    page = browser(person).get("/uploads/", headers={"Accept-Language": "de"})
    assert page.status_code == 429 and "Bitte eines nach dem anderen" in page.text


@pytest.mark.django_db
def test_a_mail_is_in_the_language_of_the_request_behind_which_it_is_sent(person, compiled):
    written = []
    with translation.override("de"):
        post.later(lambda: written.append(post.letter(person, links.FORGOTTEN)))
    post._clerk.submit(lambda: None).result()
    assert written[0].subject == "Neues Passwort setzen (Sluice)" and "innerhalb einer Stunde" in written[0].body


def test_the_admins_pages_stay_as_they_are():
    """They would be half translated: Django has its own texts in all languages, and we have ours in English."""
    assert [path for path in (WEB_APP / "pages" / "templates" / "admin").glob("*.html") if "translate" in path.read_text()] == []
