"""Reading JSON documents of any origin: tolerant of raw control characters, strict about all else, errors with places."""

from __future__ import annotations

import copy as _copy
import json
from typing import TYPE_CHECKING, Any, NoReturn

from codegen.errors import CodegenError

if TYPE_CHECKING:
    from pathlib import Path

MAX_DEPTH = 100
"""Klaviyo's deepest document has 30 levels; what goes far beyond is not a document but an attack on the parser."""


def loads(text: str, file: object) -> Any:
    """JSON value of `text`, raw control characters inside strings allowed.

    Raises CodegenError for what is no JSON, for keys given twice, NaN and infinities, lone surrogates and nesting
    beyond `MAX_DEPTH`.
    """
    try:
        value = json.loads(
            text,
            strict=False,
            object_pairs_hook=_once_each,
            parse_constant=_refuse_constant,
        )
    except json.JSONDecodeError as error:
        raise CodegenError(
            f"not JSON: {error.msg}", file=file, place=f"line {error.lineno} column {error.colno}"
        ) from None
    except RecursionError:
        raise CodegenError(f"nested deeper than {MAX_DEPTH} levels", file=file) from None
    except ValueError as error:
        raise CodegenError(f"not a usable document: {error}", file=file) from None
    _check_values(value, file)
    return value


def read(path: Path) -> Any:
    """JSON value of a file; see `loads`."""
    return loads(read_text(path), path)


def read_text(path: Path) -> str:
    """UTF-8 text of a file, a byte order mark left out."""
    if path.exists() and not path.is_file():
        # Opening a named pipe would wait for somebody to write, reading a device might never end.
        raise CodegenError("is not a regular file", file=path)
    try:
        return decode(path.read_bytes(), path)
    except OSError as error:
        raise CodegenError(f"can't be read: {error.strerror or error}", file=path) from None


def decode(data: bytes, file: object) -> str:
    """UTF-8 text, a byte order mark left out."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CodegenError("not UTF-8 text", file=file, place=f"byte {error.start}") from None


def dumps(value: Any) -> str:
    """JSON text as specs are written: one value a line, keys in the order given, UTF-8, a line break at the end."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {key!r} is given twice in one object")
            seen.add(key)
    return out


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _check_values(value: Any, file: object) -> None:
    # A stack of our own: the value may be nested deeper than Python can call.
    stack: list[tuple[Any, int]] = [(value, 1)]
    while stack:
        item, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise CodegenError(f"nested deeper than {MAX_DEPTH} levels", file=file)
        if isinstance(item, dict):
            for key, inner in item.items():
                _check_text(key, file)
                stack.append((inner, depth + 1))
        elif isinstance(item, list):
            stack.extend((inner, depth + 1) for inner in item)
        elif isinstance(item, str):
            _check_text(item, file)
        elif isinstance(item, float) and item in {float("inf"), float("-inf")}:
            raise CodegenError("a number is too large for JSON parsers", file=file)


def _check_text(text: str, file: object) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        raise CodegenError(f"text with a lone surrogate: {text[:40]!r}", file=file) from None


def copy(value: Any) -> Any:
    """A copy that shares nothing with `value`."""
    return _copy.deepcopy(value)
