"""Parses times: the format that the API documents, and others that it has been seen to send."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["parse_date", "parse_time", "read_date", "read_time", "written"]

_LONGEST = 64
_DAY = len("2026-11-21")
# What a text doesn't contain is taken from a default: comparing two of them shows whether it contains the day.
_DEFAULTS = (datetime(1972, 1, 1, tzinfo=UTC), datetime(1976, 2, 2, tzinfo=UTC))

_fromisoformat = datetime.fromisoformat


def parse_time(text: str) -> datetime | str:
    """An aware datetime, in UTC if the text has no offset; the text itself if it is not a time."""
    try:
        value = _fromisoformat(text)
    except ValueError:
        found = _parse_other(text)
        if found is None:
            return text
        value = found
    if value.tzinfo is not None:
        return value
    with_offset = _fromisoformat(f"{text}+00:00") if len(text) > _DAY else value  # cheaper than `replace`
    return with_offset if with_offset.tzinfo is not None else value.replace(tzinfo=UTC)


def parse_date(text: str) -> date | str:
    """A date; the text itself if it is not one."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return text


class _Texts:
    """What is sent for a list of times: the original texts, for those times that are still in it."""

    __slots__ = ("times", "written")

    def __init__(self, texts: list[Any], times: list[Any]) -> None:
        self.times = times
        # Keeps the times themselves, so that no other object can have the id of one.
        self.written = {id(time): (time, text) for time, text in zip(times, texts, strict=True)}

    def _tree(self) -> list[Any]:
        return [self.written[id(time)][1] if id(time) in self.written else time for time in self.times]


def _reader(parse: Callable[[str], object]) -> Callable[[Any, int, Any], Any]:
    def read(owner: Any, index: int, value: Any) -> Any:
        """The value of a time field. What is sent for it is in `owner._texts[index]`: for a list, a `_Texts`."""
        if type(value) is str:
            return parse(value)
        if type(value) is list:
            times = [parse(each) if type(each) is str else each for each in value]
            texts = list(owner._texts)
            texts[index] = _Texts(value, times)
            object.__setattr__(owner, "_texts", tuple(texts))
            return times
        return value

    return read


read_time = _reader(parse_time)
read_date = _reader(parse_date)


def written(value: Any) -> Any:
    """What is sent for a time field."""
    return value._tree() if type(value) is _Texts else value


def _parse_other(text: str) -> datetime | None:
    """A time in a format other than ISO 8601; None for text that leaves the day or the zone open."""
    if len(text) > _LONGEST:
        return None
    from dateutil import parser  # noqa: PLC0415 - hardly ever needed

    try:
        value, other = (parser.parse(text, default=default, tzinfos=_zone) for default in _DEFAULTS)
    except (ValueError, OverflowError, TypeError, ArithmeticError):
        return None
    return value if value == other else None


def _zone(name: str | None, offset: int | None) -> tzinfo | None:
    if offset is not None:
        return timezone(timedelta(seconds=offset))
    if name is None:
        return None
    raise ValueError(f"{name} is ambiguous as a time zone")
