"""An archive that says it is a folder is one, or is not published (ADR 0037)."""

import contextlib
import io
import os
import tarfile
import time

import pytest

from services_app.uploads import errors
from services_app.uploads.content import folder, receive
from services_app.uploads.models import Upload
from tests.services_app.making import announced, claims_object, received, request_body, stored_files

BLOCK = 512
SAYS = {"comment": "sluice folder"}


def made(*members, headers=SAYS, **options) -> bytes:
    """A tar as Python writes it: of names with contents, or of TarInfo, whose contents are zeros."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.PAX_FORMAT, pax_headers=headers, **options) as tar:
        for member in members:
            info, content = (member, bytes(member.size)) if isinstance(member, tarfile.TarInfo) else entry(*member)
            tar.addfile(info, io.BytesIO(content))
    return whole.getvalue()


def entry(name: str, content: bytes = b"", **fields) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def kind(name: str, type_: bytes, **fields) -> tarfile.TarInfo:
    return entry(name, type=type_, **fields)[0]


def patched(archive: bytes, at: int, value: bytes) -> bytes:
    """With other bytes in the first member's header, and its sum made good again."""
    start = 2 * BLOCK
    block = bytearray(archive[start : start + BLOCK])
    block[at : at + len(value)] = value
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    return archive[:start] + bytes(block) + archive[start + BLOCK :]


def check(archive: bytes, **how) -> None:
    def read(buffer: memoryview, offset: int) -> int:
        part = archive[offset : offset + len(buffer)]
        buffer[: len(part)] = part
        return len(part)

    folder.check(read, len(archive), **how)


GOOD = made(("s/a.dcm", b"a" * 700), ("s/b/c.dcm", b"c"))


@pytest.mark.parametrize(
    "archive",
    [
        GOOD,
        made(("Größe/häß lich.txt", b"1"), ("Größe/" + "x/" * 30 + "y", b"2"), ("Größe/" + "n" * 255, b"")),
        made(kind("s", tarfile.DIRTYPE), kind("s/empty", tarfile.DIRTYPE), ("s/a", b"1")),
        made(*(("s/" + "long" * 40 + f"/{number}", b"") for number in range(300))),
        GOOD[: -len(GOOD) % 10240 or None][: 2 * BLOCK + 3 * BLOCK + 2 * BLOCK] + bytes(2 * BLOCK),
        made(entry("s/a", b"1", mtime=1.5)[0]),
    ],
    ids=["plain", "long and foreign names", "folders too", "many", "two blocks at its end", "dates"],
)
def test_what_unpacks_into_one_folder_is_one(archive):
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert tar.getnames()
    check(archive)


CASES = {
    "absolute": ("path", made(("/s/a", b"1"))),
    "upwards": ("path", made(("s/../../a", b"1"))),
    "upwards at its end": ("path", made(("s/a/..", b"1"))),
    "here": ("path", made(("./s/a", b"1"))),
    "nothing between": ("path", made(("s//a", b"1"))),
    "upwards on Windows": ("path", made(("s/..\\..\\a", b"1"))),
    "a drive": ("path", made(("C:/a", b"1"))),
    "a line break": ("path", made(("s/a\nb", b"1"))),
    "no UTF-8": ("path", patched(GOOD, 0, b"s/\xff")),
    "a file beside the folder": ("path", made(("s/a", b"1"), ("t/b", b"1"))),
    "a file instead of a folder": ("path", made(("a", b"1"))),
    "too deep": ("path", made(("s/" * 32 + "a", b"1"))),
    "a part too long": ("path", made(("s/" + "n" * 256, b"1"))),
    "a path too long": ("path", made(("s/" + "nnnnnnn/" * 10 + ("n" * 200 + "/") * 5 + "a", b"1"))),
    "upwards for who reads no extended headers": (
        "path",
        GOOD[: 2 * BLOCK] + made(("s/" + "é" * 9, b"1"), headers={})[: 2 * BLOCK] + patched(GOOD, 0, b"../../a\0")[2 * BLOCK :],
    ),
    "a symbolic link": ("kind", made(kind("s/a", tarfile.SYMTYPE, linkname="b"))),
    "a hard link": ("kind", made(("s/a", b"1"), kind("s/b", tarfile.LNKTYPE, linkname="s/a"))),
    "a device": ("kind", made(kind("s/a", tarfile.CHRTYPE))),
    "a pipe": ("kind", made(kind("s/a", tarfile.FIFOTYPE))),
    "an unknown kind": ("kind", made(kind("s/a", b"Z"))),
    "a folder with content": ("kind", patched(GOOD, 156, b"5")),
    "one name twice": ("twice", made(("s/a", b"1"), ("s/a", b"2"))),
    "but for capitals": ("twice", made(("s/Ä", b"1"), ("s/ä", b"2"))),
    "but for how it is composed": ("twice", made(("s/\u00e4", b"1"), ("s/a\u0308", b"2"))),
    "a file that is a folder": ("twice", made(("s/a", b"1"), ("s/A/b", b"2"))),
    "a folder that is a file": ("twice", made(("s/a/b", b"1"), ("s/a", b"2"))),
    "no file": ("count", made()),
    "folders only": ("count", made(kind("s", tarfile.DIRTYPE))),
    "cut off in a file": ("length", GOOD[: 3 * BLOCK]),
    "cut off before its end": ("length", GOOD[: 7 * BLOCK]),
    "one zero block": ("length", GOOD[: 8 * BLOCK]),
    "something behind its end": ("length", GOOD[:-BLOCK] + b"x" * BLOCK),
    "much behind its end": ("length", GOOD + bytes(10240)),
    "an odd byte": ("length", GOOD[: 9 * BLOCK] + b"\0"),
    "a size beyond its end": ("length", patched(GOOD, 124, b"77777777777\0")),
    "a size of base 256": ("form", patched(GOOD, 124, b"\x80" + bytes(11))),
    "a wrong sum": ("form", GOOD[: 2 * BLOCK] + b"t" + GOOD[2 * BLOCK + 1 :]),
    "GNU's own form": ("form", patched(GOOD, 257, b"ustar  \0")),
    "a sparse file": ("form", made(entry("s/a", b"1", pax_headers={"GNU.sparse.size": "99"})[0])),
    "another encoding": ("form", made(entry("s/a", b"1", pax_headers={"hdrcharset": "BINARY"})[0])),
    "two sizes": ("form", made(entry("s/a", b"1", pax_headers={"size": "1024"})[0])),
    "a second mark": ("kind", GOOD[: 2 * BLOCK] + GOOD),
}


@pytest.mark.parametrize(("reason", "archive"), CASES.values(), ids=CASES)
def test_what_does_not_is_refused_and_says_what_kind_of_fault_it_is(reason, archive):
    with pytest.raises(errors.FolderRefused) as refusal:
        check(archive)
    assert refusal.value.document()["reason"] == reason


def test_there_is_an_end_to_how_many_it_may_hold(monkeypatch):
    monkeypatch.setattr(folder, "MOST_FILES", 20)
    check(made(*((f"s/{number}", b"") for number in range(20))))
    for path in ("s/{}", "s/{}/{}/{}"):
        with pytest.raises(errors.FolderRefused) as refusal:
            check(made(*((path.format(number, number, number), b"") for number in range(21 if path == "s/{}" else 15))))
        assert refusal.value.document()["reason"] == "count"


def test_folders_that_are_named_again_count_too(monkeypatch):
    """Each costs as much to look at as a new one, and a terabyte has room for a thousand million."""
    monkeypatch.setattr(folder, "MOST_FILES", 20)
    named = [kind("s/a", tarfile.DIRTYPE)] * 21
    check(made(("s/f", b""), *named[:20]))
    with pytest.raises(errors.FolderRefused) as refusal:
        check(made(("s/f", b""), *named))
    assert refusal.value.document()["reason"] == "count"


@pytest.mark.django_db
@pytest.mark.usefixtures("known_store")
def test_it_is_looked_at_by_turns_of_its_person(monkeypatch):
    """A hundred thousand members take seconds of what all uploads share."""
    taken = []
    monkeypatch.setattr(folder, "IN_A_TURN", 4)
    monkeypatch.setattr(receive.judging, "turn_of", lambda sub: contextlib.nullcontext(taken.append(sub)))
    archive = made(*((f"s/{number}", b"") for number in range(10)))
    claims = claims_object()
    assert received(request_body(archive), claims, announced(len(archive))).state == "committed"
    assert taken == [claims.sub] * 4, "one for its type, three for what is in it"


def test_a_tar_that_does_not_say_so_is_a_file_like_any_other():
    for archive in (made(("/etc/passwd", b"1"), headers={}), made(("../a", b""), headers={"comment": "another"}), b"", b"short"):
        check(archive)


@pytest.mark.django_db
@pytest.mark.usefixtures("known_store")
def test_it_is_held_to_that_before_it_is_published(nas):
    bad = made(("s/../../a", b"1"))
    with pytest.raises(errors.FolderRefused):
        received(request_body(bad), claims_object(), announced(len(bad)))
    upload = Upload.objects.get()
    assert (upload.state, upload.problem) == ("aborted", "folder_refused")
    assert stored_files(nas) == []
    upload = received(request_body(GOOD), claims_object(), announced(len(GOOD)))
    assert (upload.state, upload.media_type, upload.size) == ("committed", "application/x-tar", len(GOOD))


def test_ten_thousand_files_are_looked_through_without_reading_them(tmp_path, capsys):
    """What it costs is told, not judged; what is read is."""
    path, count, size = tmp_path / "s.tar", 10_000, 100 << 10
    blocks = made(*((f"series/{number:05}.dcm", b"") for number in range(count)))
    with path.open("wb") as file:
        file.write(blocks[: 2 * BLOCK])
        for number in range(count):
            header = patched(blocks[: 2 * BLOCK] + blocks[(number + 2) * BLOCK : (number + 3) * BLOCK], 124, b"%011o\0" % size)
            file.write(header[2 * BLOCK :])
            file.seek(size, os.SEEK_CUR)
        file.write(bytes(2 * BLOCK))
    read = []
    with path.open("rb") as file:

        def pread(buffer: memoryview, offset: int) -> int:
            read.append(os.preadv(file.fileno(), [buffer], offset))
            return read[-1]

        begun = time.process_time()
        folder.check(pread, path.stat().st_size)
        took = time.process_time() - begun
    with capsys.disabled():
        print(f"\n{count} files of {size >> 10} KiB: {took * 1000:.0f} ms of CPU, {len(read)} reads, {sum(read) >> 20} MiB")
    assert len(read) <= count + 2 and sum(read) < 50 << 20
