"""docs/upload-states.md is what `./run docs` makes of the tables."""

import pytest

from dev import states
from services_app.uploads.states import NEXT, State


def test_the_document_is_up_to_date():
    assert states.TARGET.read_text() == states.render(), "run: ./run docs"


def test_every_state_and_every_way_is_in_it():
    text = states.render()
    for before, following in NEXT.items():
        assert f"| `{before}` |" in text
        for after in following:
            assert f"    {before} --> {after}: " in text


def test_a_way_without_words_is_noticed(monkeypatch):
    monkeypatch.setitem(NEXT, State.ABORTED, {State.RECEIVING})
    with pytest.raises(ValueError):
        states.render()


def test_words_for_a_way_that_is_gone_are_noticed(monkeypatch):
    monkeypatch.setitem(NEXT, State.COMMITTED, set())
    with pytest.raises(ValueError):
        states.render()
