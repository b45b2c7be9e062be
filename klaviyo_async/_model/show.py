"""Displays models: a short repr, and pages as HTML tables."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["short", "table"]

_LONGEST = 1000
_ROWS = 20
_COLUMNS = 16
_CELL = 60


class _Detail(NamedTuple):
    levels: int
    members: int
    text: int


# From everything to almost nothing: the first that is short enough is shown.
_DETAILS = (
    _Detail(8, 40, 400),
    _Detail(5, 20, 80),
    _Detail(4, 12, 40),
    _Detail(3, 8, 30),
    _Detail(2, 6, 24),
    _Detail(1, 5, 20),
    _Detail(0, 4, 16),
)


def short(model: Any) -> str:
    """A repr of at most about a thousand characters: what is deeply nested, long or late is omitted first."""
    found = ""
    for detail in _DETAILS:
        found = _shown(model, detail, detail.levels)
        if len(found) <= _LONGEST:
            break
    return found


def _shown(value: Any, detail: _Detail, levels: int) -> str:
    if hasattr(value, "_tree"):
        name = type(value).__name__
        pairs = [(field, getattr(value, field)) for field in value._wires if value.is_set(field)]
        if value._extra:
            pairs.append(("additional_properties", value._extra))
        if levels < 0 and pairs:
            known = [
                f"id={_cut(member, detail.text, quoted=True)}, "
                for key, member in pairs
                if key == "id" and type(member) is str
            ]
            return f"{name}({''.join(known)}…)"
        # The outermost object may show more fields than nested ones: it is the one that was requested.
        limit = detail.members * (2 if levels == detail.levels else 1)
        parts = [f"{key}={_shown(member, detail, levels - 1)}" for key, member in pairs[:limit]]
        return f"{name}({_joined(parts, len(pairs))})"
    if type(value) is list:
        if levels < 0 and value:
            return f"[… {len(value)}]"
        return f"[{_joined([_shown(member, detail, levels - 1) for member in value[: detail.members]], len(value))}]"
    if type(value) is dict:
        if levels < 0 and value:
            return f"{{… {len(value)}}}"
        pairs = list(value.items())
        parts = [
            f"{key!r:.{detail.text}}: {_shown(member, detail, levels - 1)}" for key, member in pairs[: detail.members]
        ]
        return f"{{{_joined(parts, len(pairs))}}}"
    return _cut(value if isinstance(value, str) else repr(value), detail.text, quoted=isinstance(value, str))


def _joined(parts: Sequence[str], count: int) -> str:
    more = count - len(parts)
    return ", ".join([*parts, f"… {more} more"] if more else parts)


def _cut(text: str, longest: int, *, quoted: bool = False) -> str:
    kept = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return repr(kept) if quoted else kept


def table(rows: Sequence[Mapping[str, Any]], title: str) -> str:
    """The rows as an HTML table; only the first ones if there are many."""
    columns = list(dict.fromkeys(key for row in rows[:_ROWS] for key in row))
    # Nested columns come last: there may be a hundred of them.
    shown = sorted(columns, key=lambda column: "." in column)[:_COLUMNS]
    size = f"{title}: {len(rows)} {'row' if len(rows) == 1 else 'rows'}, {len(columns)} columns"
    head = _cells("th", shown)
    body = "".join(
        f"<tr>{_cells('td', ['' if (value := row.get(key)) is None else _cell(value) for key in shown])}</tr>"
        for row in rows[:_ROWS]
    )
    return f"<table><caption>{escape(size)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    return _cut(value if isinstance(value, str) else str(value), _CELL)


def _cells(tag: str, texts: Iterable[str]) -> str:
    return "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts)
