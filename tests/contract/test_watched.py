"""A changed file is taken up, a bad one is refused and told of: alike in both apps, which share no code."""

import importlib
import json
import logging
import os

import pytest


@pytest.fixture(params=["services_app", "web_app"])
def module(request, monkeypatch):
    found = importlib.import_module(f"{request.param}.config.watched")
    monkeypatch.setattr(found, "LOOK_EVERY", 0.0)
    return found


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "canary-name"
    path.write_text("1")
    return path


@pytest.fixture
def watched(module, file):
    return module.Watched("A_FILE", lambda: [file], lambda: json.loads(file.read_text()))


def replace(path, text):
    draft = path.with_suffix(".new")
    draft.write_text(text)
    os.replace(draft, path)


def by_link(path, text):
    """As Kubernetes and others do: the name stays, what it leads to changes."""
    elsewhere = path.with_name(f"content-{text}")
    elsewhere.write_text(text)
    link = path.with_suffix(".link")
    link.symlink_to(elsewhere)
    os.replace(link, path)


@pytest.mark.parametrize("change", [replace, by_link, lambda path, text: path.write_text(text)])
def test_a_file_that_changed_is_taken_up_however_it_got_there(watched, file, change):
    assert watched() == 1
    for text in ("2", "3"):  # as long as the old one, and as new as a clock's tick allows
        change(file, text)
        assert watched() == int(text)


@pytest.mark.parametrize("bad", ["", "{", None])
def test_one_that_is_of_no_use_is_refused_told_of_once_and_the_old_one_is_kept(module, watched, file, caplog, bad):
    caplog.set_level(logging.INFO)
    assert watched() == 1 and "A_FILE" not in module.refused()
    if bad is None:
        file.unlink()
    else:
        replace(file, bad)
    assert [watched() for _ in range(5)] == [1] * 5
    assert "A_FILE" in module.refused()
    (said,) = caplog.records
    assert said.file == "A_FILE" and "canary" not in str(vars(said))
    replace(file, "2")
    assert watched() == 2 and "A_FILE" not in module.refused()


def test_one_that_could_not_be_read_for_a_moment_is_tried_again(module, file):
    fails = []

    def load():
        if fails:
            raise OSError(fails.pop())
        return file.read_text()

    watched = module.Watched("A_FILE", lambda: [file], load)
    assert watched() == "1"
    fails.append(24)  # no descriptor left
    replace(file, "2")
    assert (watched(), watched()) == ("1", "2")


def test_it_is_looked_at_every_two_seconds_or_when_told(module, watched, file, monkeypatch):
    monkeypatch.setattr(module, "LOOK_EVERY", 3600.0)
    assert watched() == 1
    replace(file, "2")
    assert watched() == 1
    module.look_now()
    assert watched() == 2


def test_without_a_good_one_at_the_start_the_cause_is_raised(watched, file):
    file.unlink()
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            watched()
