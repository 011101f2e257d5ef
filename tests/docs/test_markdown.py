"""What the documents point at is there: links, files, variables."""

import re

import pytest

from tests.docs.markdown import FILES, ROOT, anchors, links, shown, spans

# A path is one of ours when it begins with something that lies in the repository's root or in nginx/, whose
# documents write it as nginx does.
BASES = (ROOT, ROOT / "nginx")
PATH = re.compile(r"\.?[A-Za-z][\w.-]*(?:/[\w.*-]+)*/?(?:\{[\w,-]+\}/?)?")
# Made by something that runs, so not in a fresh clone; and names that only look like ours.
NOT_HERE = re.compile(r"staging/|collections/<|conf/|logs/|run/|\.state/|site\.conf$")
VARIABLE = re.compile(r"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=.*)?")


def paths_in(path) -> list[str]:
    """Spans that name something in the repository, or claim to."""
    tops = {entry.name for base in BASES for entry in base.iterdir()}
    found = [span for span in spans(path) if PATH.fullmatch(span) and not NOT_HERE.match(span)]
    return [one for one in found if one.split("/")[0] in tops or ("/" in one and one.endswith((".py", ".conf", ".js", ".md")))]


def exists(name: str) -> bool:
    return any(next(base.glob(name.rstrip("/")), None) is not None for base in BASES)


def test_there_are_documents():
    assert {"README.md", "SECURITY.md", "CHANGELOG.md", "docs/architecture.md"} <= {shown(path) for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_every_relative_link_leads_somewhere(path):
    broken = []
    for link in links(path):
        target, _, fragment = link.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        file = (path.parent / target).resolve() if target else path
        if not file.exists() or not file.is_relative_to(ROOT) or (fragment and fragment not in anchors(file)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_every_file_that_is_named_exists(path):
    assert [name for name in paths_in(path) if not exists(name)] == []


def test_the_search_for_files_finds_what_is_not_there(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("`nginx/nginx.conf` `snippets/no-spill.conf` `tests/no/such.py` `web_app/gone.py` `maps/gone.conf` `old/gone.py`")
    named = paths_in(page)
    assert [name for name in named if not exists(name)] == named[2:]
    assert len(named) == 6


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_every_variable_that_is_named_is_in_the_example(path):
    known = set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    named = {found[1] for span in spans(path) if (found := VARIABLE.fullmatch(span))}
    foreign = {name for name in named if name.startswith(("O_", "RENAME_", "SLUICE_BENCH_"))}
    assert named - foreign - known == set()


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_no_place_of_ours_is_named(path):
    text = path.read_text()
    assert re.findall(r"/(?:home|root|work|tmp)/\S+|\b(?:pypi\.org|files\.pythonhosted\.org)\b", text) == []


def test_every_decision_is_in_the_index_and_numbered_once():
    folder = ROOT / "docs" / "adr"
    files = sorted(path.name for path in folder.glob("[0-9]*.md"))
    index = re.findall(r"^\| \[(\d{4})\]\((\S+)\) \| (.+) \|$", (folder / "README.md").read_text(), re.MULTILINE)
    assert [name for _, name, _ in index] == files
    assert [number for number, _, _ in index] == [name[:4] for name in files] == [f"{n:04}" for n in range(1, len(files) + 1)]
    for number, name, title in index:
        assert (folder / name).read_text().startswith(f"# {number}. {title}\n")
