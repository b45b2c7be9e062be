"""`preload`: load what is otherwise loaded when first used."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from klaviyo_async.errors import QueryError

_CORE = ("client", "session", "transport", "query", "documents", "pages", "filter", "limiter.local")


def preload(*names: str) -> None:
    """Load endpoint functions and models ahead: before a fork, so that processes share them, or before serving.

    `names` are those of operations (``"get_profiles"``); with none, everything is loaded. Raises `QueryError` for a name
    that no operation has.
    """
    from klaviyo_async.operation_table import operations  # noqa: PLC0415 - loading is what this function is for

    unknown = [name for name in names if name not in operations]
    if unknown:
        raise QueryError(" ".join(_unknown(name, list(operations)) for name in unknown))
    for module in _CORE:
        import_module(f"klaviyo_async.{module}")
    for name in names or operations:
        operation = operations[name]
        import_module(f"klaviyo_async.api.{operation.tag}")
        for model in (operation.response, operation.body.model if operation.body is not None else None):
            if model is not None:
                _load(getattr(import_module(operation.models), model))
    if not names:
        for package in ("api", "models", "filters"):
            loaded = import_module(f"klaviyo_async.{package}")
            for found in iter_modules(loaded.__path__, f"{loaded.__name__}."):
                import_module(found.name)


def _load(model: Any) -> None:
    """Touch what a model would build on first use."""
    prepare = getattr(model, "preload", None)
    if prepare is not None:
        prepare()


def _unknown(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, 1)
    return f"There is no operation {name!r}{f'; did you mean {near[0]!r}?' if near else '.'}"
