"""Structured fields (RFC 9651), as far as the protocols use them. The names of sections are those of the RFC."""

import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from services_app.uploads.wire.structured import item, members


@pytest.mark.parametrize(
    ("field", "bare"),
    [
        ("?1", True),
        ("  ?0  ", False),
        ("5", 5),
        ("-5", -5),
        ("-0", 0),
        ("05", 5),
        ("999999999999999", 999999999999999),
        ("1.125", Decimal("1.125")),
        ("@1700000000", datetime.fromtimestamp(1700000000, UTC)),
        ('"a \\" b"', 'a " b'),
        ("token/x", "token/x"),
        ("*", "*"),
        (":aGk=:", b"hi"),
        (":aGk:", b"hi"),
        ('%"caf%c3%a9"', "café"),
        ("?1;a=1;b;  c=?0;*x=tok;d=:AA==:", True),
        ('5;a="x,;y"', 5),
        ('?1;a=%"%f0%9f%a7%a0"', True),
    ],
)
def test_an_item_is_read_without_its_parameters(field, bare):
    found = item(field)
    assert found == bare and isinstance(found, bool) == isinstance(bare, bool)


@pytest.mark.parametrize(
    "field",
    [
        "", " ", "?2", "?", "?1, ?1", "?1 ?1", "(?1)", "?1;", "?1 ;a", "?1;A=1", "?1;a=", "?1;a= 1", "\t5", "5\t",
        "1000000000000000", "1.", "1.1234", "1234567890123.1", "+5", "--5", ".5", "0x5", "@1.5",
        '"a', 'a"', '"\\a"', '"\x7f"', '"\xe9"', ":a b:", ":aGk", ":aGk===:", "%a", '%"A%C3%A9"', '%"%c3"', '%"%ff%fe"',
        '?1;a=%"%c3"', '5;a=%"%ed%a0%80"', '%"%c0%80"', '%"%f5%80%80%80"', '%"%e0%80%80"', "x=1", "5,",
    ],
)  # fmt: skip
def test_what_is_no_item_is_nothing_at_all(field):
    assert item(field) is None


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("", []),
        ("  ", []),
        ("a=1", [("a", 1)]),
        ("a=1, b", [("a", 1), ("b", True)]),
        ("a=1 \t,\t b=2", [("a", 1), ("b", 2)]),
        ("a=1,a=2", [("a", 1), ("a", 2)]),
        ("a;x=1;y, b=?0;z", [("a", True), ("b", False)]),
        ("a=(1 2;x 3);y, b=()", [("a", [(1, {}), (2, {"x": True}), (3, {})]), ("b", [])]),
        ('a="x, b=2", c=3', [("a", "x, b=2"), ("c", 3)]),
        ('a=1;p="x, \\" b=2", c=3', [("a", 1), ("c", 3)]),
        ('a=("x, y" "z");p=%"%2c,", c=3', [("a", [("x, y", {}), ("z", {})]), ("c", 3)]),
        ("sha-256=:AA==:, *.b=tok", [("sha-256", b"\0"), ("*.b", "tok")]),
    ],
)
def test_a_dictionary_is_read_member_by_member(field, found):
    assert members(field) == found


@pytest.mark.parametrize(
    "field",
    ["a=1,", ",a=1", "a=1,,b=2", "a=1 b=2", "A=1", "a =1", "a= 1", "a=", "=1", "a=(1", "a=1)", "a=(1,2)", "!", "a=1;", "a=1\x00",
     "a=1, b=x\xe9", "\ta=1"],
)  # fmt: skip
def test_what_is_no_dictionary_is_nothing_at_all(field):
    assert members(field) is None


@pytest.mark.parametrize(
    "field", ["a=" + "(" * 8000, "a=(" + "1 " * 8000, "a" * 16000, "a=1;" + ";b" * 8000, '"' + "%c3" * 5000, "a, " * 5000 + "!"]
)
def test_a_hostile_field_takes_no_time(field):
    began = time.process_time()
    assert members(field) is None or field == "a" * 16000
    assert item(field) is None or field == "a" * 16000
    assert time.process_time() - began < 5, "that grows faster than the field does"
