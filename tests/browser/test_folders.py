"""A folder is one upload (ADR 0037)."""

import base64
import hashlib
import io
import os
import random
import tarfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from services_app.uploads.content import folder as rule
from tests.browser.conftest import MIB, value
from tests.browser.test_interruptions import objects
from tests.browser.test_same_file import rewrite
from tests.waiting import wait_for

MAKE = """async ({name, files}) => {
  const { archiveOf } = await import('/static/pages/archive.js');
  const made = files.map(([path, text]) => ({ path, file: new File([text], 'x', { lastModified: Date.now() * Math.random() }) }));
  const archive = await archiveOf(name, made);
  const bytes = new Uint8Array(await archive.arrayBuffer());
  let text = '';
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return { name: archive.name, size: archive.size, files: archive.files, empty: archive.empty, bytes: btoa(text) };
}"""


def contents(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert all(member.isfile() for member in tar)
        return {member.name: tar.extractfile(member).read() for member in tar}


def check(archive: bytes) -> None:
    def read(buffer: memoryview, offset: int) -> int:
        part = archive[offset : offset + len(buffer)]
        buffer[: len(part)] = part
        return len(part)

    assert rule.is_said_by(archive)
    rule.check(read, len(archive))


def filled(where: Path, files: dict[str, bytes]) -> Path:
    """A folder with these files in it."""
    for path, content in files.items():
        (where / path).parent.mkdir(parents=True, exist_ok=True)
        (where / path).write_bytes(content)
    return where


def drop(page: Page, *paths: Path) -> None:
    person = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        person.send("Input.dispatchDragEvent", {"type": kind, "x": 10, "y": 10, "data": data})


def stored(stack, name: str) -> Path:
    """The archive of a folder of this name, stored last."""
    return max(stack.nas.glob(f"collections/*/*/*/*/{name}.tar"), key=lambda path: path.stat().st_mtime_ns)


def choose(uploads, path: Path) -> None:
    uploads.page.set_input_files("#folder-input", path)


ODD = {
    "s/plain.dcm": "a" * 700,
    "s/" + "longer/" * 20 + "name": "beyond a hundred bytes",
    "s/Größe ä\u0308 日本/😀.txt": "names of all kinds",
    "s/exactly " + "x" * 90: "a hundred bytes" * 512,
    "s/empty": "",
    "s/a block": "b" * 512,
    "s/a b": "c" * 513,
}


def test_what_the_page_makes_is_a_tar_with_every_path_and_content(page, stack):
    page.goto(stack.url + "/uploads/")
    made = page.evaluate(MAKE, {"name": "s", "files": list(ODD.items())})
    archive = base64.b64decode(made["bytes"])
    assert (made["name"], made["size"], made["files"], made["empty"]) == ("s.tar", len(archive), 7, 1)
    assert contents(archive) == {path: text.encode() for path, text in ODD.items()}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert {(member.mode, member.uid, member.gid, member.mtime, member.uname) for member in tar} == {(0o644, 0, 0, 0, "")}
    check(archive)
    # In another order and at another time: the same bytes.
    again = page.evaluate(MAKE, {"name": "s", "files": list(ODD.items())[::-1]})
    assert again["bytes"] == made["bytes"]


def test_a_size_beyond_8_gib_stands_in_an_extended_header(page, stack):
    page.goto(stack.url + "/uploads/")
    blocks = page.evaluate(
        """async (sizes) => {
            const { headersOf } = await import('/static/pages/archive.js');
            return sizes.map((size) => headersOf('s/big', size).map((block) => [...block]).flat());
        }""",
        [8 * 2**30 - 1, 8 * 2**30, 2**45],
    )
    for block, size in zip(blocks, (8 * 2**30 - 1, 8 * 2**30, 2**45), strict=True):
        with tarfile.open(fileobj=io.BytesIO(bytes(block))) as tar:
            assert (tar.next().name, tar.members[0].size) == ("s/big", size)


REFUSED = [
    (["s/a", "s/A"], "differ in capitals"),
    (["s/\u00e4", "s/a\u0308"], "differ in capitals or accents"),
    (["s/a\\b"], "backslash"),
    (["s/a\nb"], "control character"),
    (["s/" * 32 + "a"], "folders deep"),
    (["s/" + "n" * 256], "too long"),
    (["C:/a"], "like a drive"),
]


@pytest.mark.parametrize(("paths", "said"), REFUSED)
def test_what_the_services_tier_would_refuse_in_the_end_is_named_before_anything_travels(page, stack, paths, said):
    page.goto(stack.url + "/uploads/")
    told = page.evaluate(
        """async (paths) => {
            const { checkPaths } = await import('/static/pages/folder.js');
            try { await checkPaths(paths); return ''; } catch (error) { return error.message; }
        }""",
        paths,
    )
    assert said in told and "Nothing" in told


@pytest.mark.parametrize("way", ["chosen", "dropped"])
def test_a_folder_is_stored_as_one_archive_of_all_that_is_in_it(uploads, stack, tmp_path, way):
    files = {f"sub {number % 3}/{number:03}.dcm": random.Random(number).randbytes(number * 100 + 1) for number in range(250)}
    files |= {".DS_Store": way.encode(), "Thumbs.db": b"y", "deep/er/and/ä.txt": b"z"}
    path = filled(tmp_path / "SERIES 4", files)
    uploads.choose("demo")
    (choose if way == "chosen" else lambda uploads, path: drop(uploads.page, path))(uploads, path)
    row = uploads.row("SERIES 4")
    row.expect_stored()
    expect(row.part("size")).to_have_text("Folder of 253 files · 3.2 MiB as one archive")
    expect(row.part("type")).to_have_text("TAR")
    archive = stored(stack, "SERIES 4").read_bytes()
    assert contents(archive) == {f"SERIES 4/{name}": content for name, content in files.items()}
    assert row.digest == hashlib.sha256(archive).hexdigest()


def test_files_and_folders_that_are_dropped_together_are_all_taken(uploads, tmp_path):
    one, other = filled(tmp_path / "one", {"a": b"1"}), filled(tmp_path / "other", {"b/c": b"2"})
    (tmp_path / "single.txt").write_text("three")
    uploads.choose("demo")
    drop(uploads.page, one, tmp_path / "single.txt", other)
    for name in ("one", "other", "single.txt"):
        uploads.row(name).expect_stored()


def test_an_empty_folder_is_refused_in_words(uploads, tmp_path):
    (tmp_path / "nothing" / "in it").mkdir(parents=True)
    uploads.choose("demo")
    drop(uploads.page, tmp_path / "nothing")
    expect(uploads.page.locator("#notice")).to_have_text("nothing holds no file, so there is nothing to send.")
    expect(uploads.rows()).to_have_count(0)


def test_empty_files_in_a_folder_are_asked_about(uploads, tmp_path):
    path = filled(tmp_path / "partly", {"a": b"1", "b": b""})
    uploads.choose("demo")
    choose(uploads, path)
    expect(uploads.question_about_empty()).to_contain_text("partly: Folder of 2 files, 1 of them empty")
    uploads.question_about_empty().get_by_role("button", name="Leave it out").click()
    expect(uploads.rows()).to_have_count(0)
    choose(uploads, path)
    uploads.question_about_empty().get_by_role("button", name="Send it").click()
    uploads.row("partly").expect_stored()


def test_a_collection_that_takes_no_tar_takes_no_folder_and_says_so(uploads, tmp_path):
    uploads.choose("archives")
    choose(uploads, filled(tmp_path / "series", {"a": b"1"}))
    row = uploads.row("series")
    row.expect_refused("takes_no_folders")
    expect(row.part("note")).to_contain_text("this collection takes ZIP or DICOM only")


@pytest.fixture
def interrupted(own, own_line, own_stack, tmp_path):
    """A folder of which something is safe, and that is paused now."""
    contents = [random.Random(f"{tmp_path} {number}").randbytes(2 * MIB) for number in range(24)]
    path = filled(tmp_path / "series", {f"{number:02}.dcm": content for number, content in enumerate(contents)})
    own_line.rate = 6 * MIB
    own.choose("folders")
    choose(own, path)
    row = own.row("series")
    wait_for(lambda: value(row) > 9 * MIB)
    row.button("Pause").click()
    row.expect_state("paused")
    return path, row


@pytest.fixture(scope="session", autouse=True)
def _takes_folders(own_stack):
    own_stack.create_collection("folders", "--media-type", "application/x-tar")
    own_stack.create_collection("unpacked", "--media-type", "application/x-tar", "--unpack-folders")


def test_a_folder_that_is_chosen_again_after_a_reload_goes_on_where_it_stopped(interrupted, own, own_stack, own_line):
    path, _ = interrupted
    own.open()
    listed = own.page.locator("#unfinished li")
    expect(listed.get_by_role("button", name="Choose this folder")).to_be_visible()
    expect(listed.get_by_role("button", name="Choose this file")).to_be_hidden()
    own_line.restore()
    choose(own, path)
    row = own.row("series")
    row.expect_stored()
    assert own_line.carried < 45 * MIB
    assert contents(stored(own_stack, "series").read_bytes()) == {f"series/{each.name}": each.read_bytes() for each in path.iterdir()}


def test_where_folders_are_unpacked_the_list_says_when_their_files_lie_there(own, own_stack, tmp_path):
    files = {f"{number}/{number}.dcm": random.Random(number).randbytes(number + 1) for number in range(9)}
    own.choose("unpacked")
    choose(own, filled(tmp_path / "laid out", files))
    own.row("laid out").expect_stored()
    archive = stored(own_stack, "laid out")
    tree = archive.with_name(f"{archive.name}.unpacked") / "files" / "laid out"
    wait_for(tree.exists)
    assert {str(each.relative_to(tree)): each.read_bytes() for each in tree.rglob("*.dcm")} == files

    def told() -> bool:
        own.open()
        standing = own.page.locator(f"#recent tr[data-upload='{archive.parent.name}'] [data-part=standing]")
        expect(standing).to_contain_text("beside it")
        return standing.inner_text() == "Its files lie beside it."

    wait_for(told)


def test_another_folder_of_the_same_names_and_sizes_is_not_mixed_with_it(interrupted, own, own_line):
    path, _ = interrupted
    rewrite(path / "02.dcm", MIB, b"another patient")
    own.open()
    own_line.restore()
    choose(own, path)
    own.row("series").expect_refused("another_file")


@pytest.mark.parametrize("how", ["changed", "cut in the same second", "gone"])
def test_a_file_that_changes_while_its_folder_is_sent_is_named_and_nothing_is_stored(interrupted, own, own_stack, own_line, how):
    path, row = interrupted
    before, victim = objects(own_stack), path / "17.dcm"
    if how == "changed":
        victim.write_bytes(bytes(2 * MIB))
        os.utime(victim, (1_900_000_000, 1_900_000_000))
    elif how == "gone":
        victim.unlink()
    else:
        times = victim.stat()
        os.truncate(victim, MIB)
        os.utime(victim, ns=(times.st_atime_ns, times.st_mtime_ns))
    own_line.restore()
    row.button("Resume").click()
    row.expect_refused("file_unreadable")
    expect(row.part("note")).to_contain_text("series/17.dcm was changed, moved or renamed")
    assert objects(own_stack) == before


def test_ten_thousand_slices_leave_the_page_at_ease(uploads, stack, tmp_path, capsys):
    """Tells how fast they went; SLUICE_FOLDER_FILES says how many, 10,000 for the figure in ADR 0037."""
    count = int(os.environ.get("SLUICE_FOLDER_FILES", "1000"))
    slice_of = random.Random(str(tmp_path)).randbytes(100 << 10)
    path = filled(tmp_path / "slices", {f"{number // 500}/{number:05}.dcm": number.to_bytes(4) + slice_of[4:] for number in range(count)})
    uploads.choose("demo")
    uploads.page.evaluate(
        """() => {
            window.long = [];
            new PerformanceObserver((list) => window.long.push(...list.getEntries().map(({duration}) => Math.round(duration))))
                .observe({type: 'longtask'});
            window.begun = performance.now();
        }"""
    )
    choose(uploads, path)
    row = uploads.row("slices")
    expect(row.element).to_be_visible(timeout=90_000)
    made = uploads.page.evaluate("performance.now() - window.begun") / 1000
    row.element.page.wait_for_function(
        "() => ['stored', 'stopped'].includes(document.querySelector('#file-list li').dataset.state)", timeout=600_000
    )
    row.expect_stored()
    took, long = uploads.page.evaluate("[performance.now() - window.begun, window.long]")
    with capsys.disabled():
        print(
            f"\n{count} files of 100 KiB: ready after {made:.1f} s, stored after {took / 1000:.1f} s, {count / took * 1000:.0f} files/s, "
            f"{len(long)} tasks of more than 50 ms, the longest {max(long, default=0)} ms"
        )
    with tarfile.open(stored(stack, "slices")) as tar:
        assert sum(1 for member in tar if member.size == 100 << 10) == count
