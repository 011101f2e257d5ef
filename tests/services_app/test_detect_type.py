"""What operators ask before they blame a sender: what would this file be taken for, and by which lists?"""

import pytest
from django.core.management import CommandError, call_command


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "dm.csv"
    path.write_bytes(b"PATIENT\tAGE\nP1\t40\n")
    return path


def test_the_type_of_a_file_is_told_with_all_that_a_list_may_name(table, capsys):
    call_command("detect_type", str(table))
    names = "text/tab-separated-values application/csv text/csv text/plain text/x-csv text/*"
    assert (
        capsys.readouterr().out
        == f"{table}: text/tab-separated-values\n  taken by an empty list, or one that names any of: {names}\n"
    )


def test_a_list_can_be_tried(table, capsys):
    call_command("detect_type", str(table), allowed="application/zip, text/CSV")
    assert capsys.readouterr().out.endswith("  taken by this list\n")
    with pytest.raises(CommandError, match="not taken: 1"):
        call_command("detect_type", str(table), allowed="application/zip,image/*")
    assert capsys.readouterr().out.endswith("  not taken by this list\n")


def test_what_cannot_be_answered_is_said_in_one_line(table):
    with pytest.raises(CommandError, match="No file is ever taken for: text/cvs"):
        call_command("detect_type", str(table), allowed="text/cvs")
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("detect_type", str(table.parent))
