"""Sizes and times as operators type and read them: "20 GiB", "15 min". In the database stand bytes and seconds."""

import re
from decimal import Decimal

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import Field

from web_app.collections.models import check_media_types

SIZES = {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "PiB": 1 << 50}
TIMES = {"s": 1, "min": 60, "h": 3600, "days": 86400}
_ALSO = {"byte": "bytes", "b": "bytes", "sec": "s", "second": "s", "seconds": "s", "minute": "min", "minutes": "min", "m": "min"}
_ALSO |= {"hour": "h", "hours": "h", "day": "days", "d": "days"}
_COUNTED = re.compile(r"\s*(\d{1,3}(?:[,.'\s]\d{3})+|\d{1,18})\s*(?:files?)?\s*")
# 2 or 2,000? What is shown here is never of this form: it has a point, and no nought behind its last digit.
_TWO_WAYS = re.compile(r"\d{1,3}(?:,\d{3}|\.\d{2}0)")
_TYPED = re.compile(r"\s*(\d{1,19}(?:[.,]\d{1,6})?)\s*([A-Za-z]*)\s*")


def in_units(value: int, units: dict[str, int]) -> str:
    """In the largest unit that says it exactly in three decimals."""
    exact = [(factor, name) for name, factor in units.items() if value >= factor and value * 1000 % factor == 0]
    factor, name = max(exact, default=(1, next(iter(units))))
    number = f"{Decimal(value) / factor:f}"
    number = number.rstrip("0").rstrip(".") if "." in number else number
    return f"{number} {'day' if name == 'days' and number == '1' else name}"


class AmountField(forms.CharField):
    """A whole number of the smallest of `units`; a number alone is of the unit `alone`. `least` and `most` bound it."""

    def __init__(self, *, units: dict[str, int], alone: str, least: int, most: int, **kwargs):
        super().__init__(empty_value=None, **kwargs)
        self.units, self.alone, self.least, self.most = units, alone, least, most

    def prepare_value(self, value):
        return in_units(value, self.units) if isinstance(value, int) else value

    def to_python(self, value) -> int | None:
        text = super().to_python(value)
        if text is None:
            return None
        typed = _TYPED.fullmatch(text)
        known = {name.lower(): name for name in self.units} | {name: unit for name, unit in _ALSO.items() if unit in self.units}
        unit = known.get((typed[2] or self.alone).lower()) if typed else None
        if unit is None:
            raise ValidationError(f"Write a number and a unit, such as 5 {self.alone}. Units: {', '.join(self.units)}.")
        if _TWO_WAYS.fullmatch(typed[1]):
            whole, decimals = re.split("[,.]", typed[1])
            raise ValidationError(f"{typed[1]} can be read in two ways: write {whole}{decimals}, or {whole}.{decimals.rstrip('0') or '0'}.")
        return int(Decimal(typed[1].replace(",", ".")) * self.units[unit])

    def validate(self, value):
        super().validate(value)
        if value is not None and not self.least <= value <= self.most:
            raise ValidationError(f"From {in_units(self.least, self.units)} to {in_units(self.most, self.units)}.")

    def run_validators(self, value):
        """Those of text do not apply, and the bounds are looked at above."""


class CountField(forms.CharField):
    """A number of files as people write it: "10,000", "10 000 files"."""

    def __init__(self, *, least: int, most: int, **kwargs):
        super().__init__(empty_value=None, **kwargs)
        self.least, self.most = least, most

    def prepare_value(self, value):
        return f"{value:,} file{'' if value == 1 else 's'}" if isinstance(value, int) else value

    def to_python(self, value) -> int | None:
        text = super().to_python(value)
        if text is None:
            return None
        typed = _COUNTED.fullmatch(text)
        if typed is None:
            raise ValidationError("Write a whole number of files, such as 10,000.")
        count = int(re.sub(r"\D", "", typed[1]))
        if not self.least <= count <= self.most:
            raise ValidationError(f"From {self.least:,} to {self.most:,}.")
        return count

    def run_validators(self, value):
        """As of AmountField."""


class TypesField(forms.CharField):
    """An allow-list, one type on each line."""

    widget = forms.Textarea(attrs={"rows": 6, "cols": 60})

    def prepare_value(self, value):
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value) -> list[str]:
        return [one for one in re.split(r"[\s,;]+", super().to_python(value)) if one]

    def run_validators(self, value):
        check_media_types(value)


def of_size(field: Field) -> AmountField:
    return _amount(field, SIZES, "GiB", "Such as 500 MiB, 20 GiB or 1 TiB; a number alone is GiB.")


def of_time(field: Field) -> AmountField:
    return _amount(field, TIMES, "h", "Such as 15 min, 24 h or 7 days; a number alone is hours.")


def of_count(field: Field) -> CountField:
    return CountField(**_shared(field, "Such as 10,000."))


def _amount(field: Field, units: dict[str, int], alone: str, how: str) -> AmountField:
    return AmountField(units=units, alone=alone, **_shared(field, how))


def _shared(field: Field, how: str) -> dict:
    limits = {type(each): each.limit_value for each in field.validators}
    return {
        "least": limits.get(MinValueValidator, 0),
        "most": limits.get(MaxValueValidator, 2**31 - 1),
        "label": field.verbose_name.capitalize(),
        "help_text": f"{field.help_text} {how}".strip(),
        "required": not field.blank,
        "initial": field.get_default(),
    }
