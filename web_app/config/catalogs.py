"""What the pages say in other languages: from locale/*.po, which people write, the files that gettext reads."""

import os
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

SOURCES = Path(__file__).resolve().parent.parent / "locale"


def compile_into(folder: Path) -> None:
    """Each whole or not at all: what runs may read it at this moment."""
    for source in sorted(SOURCES.glob("*/LC_MESSAGES/django.po")):
        made = folder / source.relative_to(SOURCES).with_suffix(".mo")
        made.parent.mkdir(parents=True, exist_ok=True)
        draft = made.with_suffix(".new")
        with source.open("rb") as texts, draft.open("wb") as file:
            write_mo(file, read_po(texts))
        os.replace(draft, made)
