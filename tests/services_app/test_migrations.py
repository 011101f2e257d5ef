"""Migrations, as an upgrade meets them."""

from tests.migrations import columns_that_old_code_cannot_fill

# Of the time before there were deployments to upgrade.
BEFORE = {
    ("revocations", "0002_by_uptime"),
    *(("uploads", name) for name in ("0002_sha512", "0003_retrievals", "0004_lease_uptime", "0005_supersedes", "0007_spoken_for")),
}


def test_a_column_that_is_added_is_filled_by_the_database_for_code_that_does_not_know_it():
    assert columns_that_old_code_cannot_fill("services_app", BEFORE) == []
