"""docs/media-types.md is what `./run docs` makes of the tables of both tiers."""

from dev import media_types
from services_app.uploads.content.media.table import TYPES


def test_the_document_is_up_to_date():
    assert media_types.TARGET.read_text() == media_types.render(), "run: ./run docs"


def test_every_type_has_its_row():
    rows = media_types.render().split("## Types")[1]
    assert [name for name in TYPES if f"| `{name}`" not in rows] == []
