"""Models as fields and return types of pydantic and FastAPI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["json_schema", "schema"]


def schema(cls: Any) -> Any:
    """A pydantic-core schema: accepts the model or a mapping with the API's names, serialises to what `to_dict` returns."""
    from pydantic_core import core_schema  # noqa: PLC0415 - an optional extra: only pydantic calls this

    def validate(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if isinstance(value, Mapping):
            return cls.from_dict(value)
        raise ValueError(f"expected a {cls.__name__} or a mapping, got {type(value).__name__}")

    return core_schema.no_info_plain_validator_function(
        validate, serialization=core_schema.plain_serializer_function_ser_schema(cls.to_dict)
    )


def json_schema(cls: Any) -> dict[str, Any]:
    """An open JSON schema: the declared fields, and any other members."""
    return {
        "title": cls.__name__,
        "type": "object",
        "properties": {wire: {} for wire in cls._wires.values()},
        "additionalProperties": True,
    }
