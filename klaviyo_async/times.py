"""Text to times: what the API sends, and what it has been seen to send instead."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

__all__ = ["parse_date", "parse_time"]

_LONGEST = 64
# What a text doesn't say is taken from a default: two of them tell whether it says the day.
_DEFAULTS = (datetime(1972, 1, 1, tzinfo=UTC), datetime(1976, 2, 2, tzinfo=UTC))

_fromisoformat = datetime.fromisoformat


def parse_time(text: str) -> datetime | str:
    """An aware datetime, UTC where the text has no offset; the text itself where it is no time."""
    try:
        value = _fromisoformat(text)
    except ValueError:
        found = _parse_other(text)
        if found is None:
            return text
        value = found
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def parse_date(text: str) -> date | str:
    """A date; the text itself where it is none."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return text


def _parse_other(text: str) -> datetime | None:
    """A time in a form that ISO 8601 doesn't have; None for text that leaves the day or the zone open."""
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
    raise ValueError(f"{name} may be several zones")
