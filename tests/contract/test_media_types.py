"""The types that a collection may name on the web tier are those that the services tier can tell."""

from services_app.uploads.content import media
from services_app.uploads.content.media.table import TYPES
from web_app.collections import media_types


def test_both_sides_know_the_same_types_aliases_and_families():
    assert media_types.names() == media.known()
    assert {each.name: set(each.aliases) for each in media_types.KNOWN} == {
        each.name: set(each.aliases) for each in TYPES.values()
    }


def test_every_name_fits_into_a_token_and_a_list_that_holds_it_takes_something():
    for name in media_types.names():
        assert any(media.is_allowed(kind, (name,)) for kind in TYPES), name


def test_every_type_has_words_that_are_no_media_type():
    assert [each.name for each in media_types.KNOWN if "/" in each.words or not each.words] == []
    assert all(media_types.in_words(name) != name for name in media_types.names())


def test_both_tiers_say_alike_which_lists_take_a_folder():
    for allowed in ([], *([name] for name in media_types.names())):
        assert media_types.takes_folders(allowed) == media.is_allowed("application/x-tar", tuple(allowed)), allowed


def test_both_tiers_say_alike_which_lists_take_an_empty_file():
    for allowed in ([], *([name] for name in media_types.names())):
        assert media_types.takes_empty(allowed) == media.is_allowed(media.detect(b""), tuple(allowed)), allowed
