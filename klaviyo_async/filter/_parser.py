"""Parses filters from their wire form."""

from __future__ import annotations

import re
from datetime import date, datetime
from math import isfinite
from typing import TYPE_CHECKING, Final

from klaviyo_async._did_you_mean import nearest, shown
from klaviyo_async.errors import QueryError
from klaviyo_async.filter._grammar import FIELD, LIST_OPERATORS, NO_NOT, NO_OR, OPERATORS, Condition, quote_string

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Parser", "parse"]

_MAX_DEPTH = 64
_OPERATOR = re.compile(r"[A-Za-z][A-Za-z_-]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATETIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?"
)
_TOKEN = re.compile(r"[^,()\[\]\"']*")
_PLAIN: Final = {'"': re.compile(r'[^"\\]*'), "'": re.compile(r"[^'\\]*")}
_SPACES = re.compile(r"\s*")
_WORDS: Final[Mapping[str, bool | None]] = {"true": True, "false": False, "null": None}

# A typical condition: no spaces, no escapes, one value or a list of texts.
_NAME = r"[A-Za-z0-9_$]+(?:\.[A-Za-z0-9_$]+)*"
_TEXT = r'"[^"\\]*"'
_COMMON = re.compile(
    rf"({'|'.join(name for name in OPERATORS if name != 'has')})\(({_NAME}),"
    rf"(?:({_TEXT})|([A-Za-z0-9.:+-]+)|\[({_TEXT}(?:,{_TEXT})*)\])\)"
)
_TEXTS = re.compile(_TEXT)


def parse(text: str) -> list[Condition]:
    """The conditions of a filter. Raises `QueryError` with the position at which the text is invalid."""
    return _common(text) or Parser(text).filter()


def _common(text: str) -> list[Condition] | None:
    """The conditions if all of them are typical, alone or in one ``and(…)``; None if `Parser` must read them."""
    joined = text.startswith("and(")
    at = 4 if joined else 0
    found: list[Condition] = []
    try:
        text.encode()  # lone surrogates are left to the parser, which refuses them
        while (match := _COMMON.match(text, at)) is not None:
            operator, name, quoted, bare, listed = match.groups()
            if (listed is not None) != (operator in LIST_OPERATORS):
                return None
            if quoted is not None:
                found.append(Condition(operator, name, quoted, quoted[1:-1]))
            elif bare is not None:
                found.append(Condition(operator, name, bare, _bare(bare)))
            else:
                values = tuple(each[1:-1] for each in _TEXTS.findall(listed))
                found.append(Condition(operator, name, f"[{listed}]", values))
            at = match.end()
            rest = text[at : at + 1]
            if rest == "," and joined:
                at += 1
            elif len(text) == at + joined and (rest == ")" or not joined):
                return found
            else:
                return None
    except (ValueError, OverflowError):
        return None
    return None


def _bare(token: str) -> object:
    """The value of an unquoted token. Raises ValueError or OverflowError if it isn't one."""
    if token in _WORDS:
        return _WORDS[token]
    if _DATETIME.fullmatch(token):
        return datetime.fromisoformat(token)
    if _NUMBER.fullmatch(token):
        number = int(token) if token.lstrip("-").isdigit() else float(token)
        if isfinite(number):
            return number
        raise OverflowError("it is too large")
    if _DATE.fullmatch(token):
        return date.fromisoformat(token)
    raise _NoLiteralError


class _NoLiteralError(ValueError):
    """The token is neither a word of the grammar nor a number or time."""


class Parser:
    """Recursive descent over one filter text; `filter` returns its conditions or raises `QueryError`."""

    __slots__ = ("at", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def filter(self) -> list[Condition]:
        found = self.conditions(0)
        self.spaces()
        if self.at < len(self.text):
            raise self.error("the filter ends here, but more text follows (one parenthesis too many?)")
        return found

    def conditions(self, depth: int) -> list[Condition]:
        if depth > _MAX_DEPTH:
            raise self.error("and(…) is nested too deeply")
        found: list[Condition] = []
        while True:
            found += self.term(depth)
            if not self.skip(","):
                return found

    def term(self, depth: int) -> list[Condition]:
        self.spaces()
        start = self.at
        match = _OPERATOR.match(self.text, self.at)
        if match is None:
            raise self.error("expected an operator, for instance equals(…)")
        operator = match[0]
        self.at = match.end()
        if not self.skip("("):
            self.at = start
            raise self.error('a condition is written operator(field,value), for instance equals(email,"a@x.com")')
        if operator == "and":
            found = self.conditions(depth + 1)
            self.close()
            return found
        if operator not in OPERATORS:
            self.at = start
            raise self.error(_unknown_operator(operator))
        name = self.field()
        if operator == "has":
            self.close()
            return [Condition("has", name, "")]
        if not self.skip(","):
            raise self.error(f"{operator} takes a value: {operator}({name},…)")
        self.spaces()
        at = self.at
        value: object
        if self.skip("["):
            value, text = self.members()
        else:
            if operator in LIST_OPERATORS:
                raise self.error(f'{operator} takes a list in square brackets: {operator}({name},["a","b"])')
            value, text = self.scalar()
        if isinstance(value, tuple) and operator not in LIST_OPERATORS and operator != "equals":
            self.at = at
            raise self.error(f"{operator} takes one value, not a list")
        self.close()
        return [Condition(operator, name, text, value)]

    def field(self) -> str:
        self.spaces()
        end = _TOKEN.match(self.text, self.at).end()  # type: ignore[union-attr]  # it matches the empty text as well
        name = self.text[self.at : end].rstrip()
        if not FIELD.fullmatch(name):
            if self.text[self.at : self.at + 1] in ('"', "'"):
                raise self.error("field names go without quotes")
            raise self.error("expected a field name")
        self.at = end
        return name

    def members(self) -> tuple[tuple[object, ...], str]:
        values: list[object] = []
        texts: list[str] = []
        if self.skip("]"):
            raise self.error("an empty list matches nothing")
        while True:
            value, text = self.scalar()
            values.append(value)
            texts.append(text)
            if self.skip("]"):
                return tuple(values), "[" + ",".join(texts) + "]"
            if not self.skip(","):
                raise self.error("expected a comma or ]")

    def scalar(self) -> tuple[object, str]:
        self.spaces()
        quote = self.text[self.at : self.at + 1]
        if quote and quote in "\"'":
            text = self.string(quote)
            return text, quote_string(text)
        end = _TOKEN.match(self.text, self.at).end()  # type: ignore[union-attr]
        token = self.text[self.at : end].rstrip()
        value = self.bare(token)
        self.at = end
        return value, token

    def string(self, quote: str) -> str:
        parts: list[str] = []
        start = self.at
        at = start + 1
        while True:
            end = _PLAIN[quote].match(self.text, at).end()  # type: ignore[union-attr]
            if end >= len(self.text):
                raise self.error(f"the string that starts here has no closing {quote}")
            parts.append(self.text[at:end])
            if self.text[end] == quote:
                self.at = end + 1
                return "".join(parts)
            escaped = self.text[end + 1 : end + 2]
            # Only quotes and the backslash are escaped; before anything else a backslash is literal.
            parts.append(escaped if escaped in ('"', "'", "\\") else "\\" + escaped)
            at = end + 2

    def bare(self, token: str) -> object:
        try:
            return _bare(token)
        except _NoLiteralError:
            if not token:
                raise self.error("expected a value") from None
            raise self.error(
                f"text goes in quotes: {shown(quote_string(token))[1:-1]}; times are RFC 3339, for instance 2026-01-01T00:00:00Z"
            ) from None
        except (ValueError, OverflowError) as error:
            raise self.error(f"{shown(token)[1:-1]} is not a valid number or time ({error!s:.200})") from None

    def close(self) -> None:
        if not self.skip(")"):
            raise self.error("expected a closing )")

    def spaces(self) -> None:
        if self.text[self.at : self.at + 1].isspace():
            self.at = _SPACES.match(self.text, self.at).end()  # type: ignore[union-attr]

    def skip(self, token: str) -> bool:
        """Skip the token, and spaces before it, if it is next."""
        self.spaces()
        if self.text.startswith(token, self.at):
            self.at += 1
            return True
        return False

    def error(self, what: str) -> QueryError:
        start = max(0, self.at - 30)
        before = ("…" if start else "") + self.text[start : self.at]
        after = self.text[self.at : self.at + 30] + ("…" if len(self.text) > self.at + 30 else "")
        return QueryError(f"Not a filter, at character {self.at + 1} ({before!r} ▸ {after!r}): {what}.")


def _unknown_operator(operator: str) -> str:
    if operator.lower() in ("or", "not"):
        return NO_OR.rstrip(".") if operator.lower() == "or" else NO_NOT.rstrip(".")
    return f"there is no operator {shown(operator)}{nearest(operator.lower().replace('_', '-'), OPERATORS)}"
