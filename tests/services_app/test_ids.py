"""UUIDv7 of uploads."""

import time
import uuid

from services_app.uploads.ids import uuid7


def test_an_id_is_a_uuid_of_version_7_and_of_now():
    before = time.time_ns() // 1_000_000
    value = uuid7()
    assert (value.version, value.variant) == (7, uuid.RFC_4122)
    assert before <= value.int >> 80 <= time.time_ns() // 1_000_000


def test_ids_made_one_after_another_sort_in_that_order_also_within_a_millisecond():
    def two():
        first = uuid7()
        began = time.time_ns()
        while time.time_ns() - began < 1000:  # the fraction counts quarters of a microsecond
            pass
        return first, uuid7()

    assert all(first < second for first, second in (two() for _ in range(2000)))


def test_no_two_ids_are_the_same():
    assert len({uuid7() for _ in range(10_000)}) == 10_000
