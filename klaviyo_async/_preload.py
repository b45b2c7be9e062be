"""`preload`: load ahead of time what is otherwise loaded on first use."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from klaviyo_async._did_you_mean import nearest, shown
from klaviyo_async.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from klaviyo_async.operation import OperationTable

_CORE = (
    "client",
    "_http.session",
    "_http.transport",
    "_request.prepare",
    "_request.bodies",
    "pages",
    "filter",
    "limiter.local",
)


def preload(*names: str) -> None:
    """Load endpoint functions and models ahead of time: before a fork, so that processes share them, or before serving.

    `names` are operation names (``"get_profiles"``); without any, everything is loaded. Raises `QueryError` for an unknown
    name.
    """
    from klaviyo_async.operation_table import operations  # noqa: PLC0415 - loading is what this function is for

    preload_of(operations, names)


def preload_of(operations: OperationTable, names: Iterable[str]) -> None:
    """`preload` of the package whose operations these are."""
    names = tuple(names)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(
                f'preload takes the names of operations, preload("get_profiles", "create_event"), not {shown(name)}'
            )
    unknown = [name for name in names if name not in operations]
    if unknown:
        raise QueryError(" ".join(_unknown(name, list(operations)) for name in unknown))
    for module in _CORE:
        import_module(f"klaviyo_async.{module}")
    package = operations.package
    import_module(f"{package}.client")
    for name in names or operations:
        operation = operations[name]
        import_module(f"{package}.api.{operation.tag}")
        for model in (operation.response, operation.body.model if operation.body is not None else None):
            if model is not None:
                _load(getattr(import_module(operation.models), model))
    if not names:
        for part in ("api", "models", "resources", "filters"):
            loaded = import_module(f"{package}.{part}")
            for found in iter_modules(loaded.__path__, f"{loaded.__name__}."):
                import_module(found.name)


def _load(model: Any) -> None:
    """Trigger what a model would build on first use."""
    prepare = getattr(model, "preload", None)
    if prepare is not None:
        prepare()


def _unknown(name: str, known: list[str]) -> str:
    sentence = f"There is no operation {name!r}{nearest(name, known)}"
    return sentence if sentence.endswith("?") else sentence + "."
