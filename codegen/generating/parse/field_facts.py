"""What a schema says of a field beyond its type, as sentences for a docstring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONG = 60
_BOUNDS = (
    ("minLength", "maxLength", "characters"),
    ("minItems", "maxItems", "items"),
    ("minimum", "maximum", ""),
)


def sentences(schema: Any) -> Iterator[str]:
    """The sentences for one property, as the engine holds it; none where there is nothing to tell."""
    if not hasattr(schema, "model_dump"):
        return
    found = schema.model_dump(by_alias=True, exclude_none=True) | (schema.model_extra or {})
    if "$ref" in found:
        return
    default = found.get("default")
    if isinstance(default, (str, bool, int, float)) and default != "" and len(str(default)) <= _LONG:
        yield f"`{default}` by default."
    for low, high, unit in _BOUNDS:
        bounds = [f"at least {_number(found[low])}"] if found.get(low) else []
        bounds += [f"at most {_number(found[high])}"] if found.get(high) is not None else []
        if bounds:
            text = f"{' and '.join(bounds)} {unit}".strip().capitalize()
            yield f"{text.removesuffix('s') if text.split()[-2] == '1' else text}."
    if "pattern" in found:
        # The engine keeps what it would not write into code in a box.
        pattern = found["pattern"]
        yield f"Matches `{pattern.get_untrusted_value() if hasattr(pattern, 'get_untrusted_value') else pattern}`."
    if "x-max-bytes" in found:
        yield f"At most {found['x-max-bytes']:,} bytes."
    if found.get("deprecated"):
        yield "Deprecated by Klaviyo."
    example = found.get("example")
    # The values of an enum stand in its type, and everyone knows what a time and a bool look like.
    plain = found.get("format") in {"date", "date-time"} or found.get("type") == "boolean" or found.get("enum")
    if not plain and isinstance(example, (str, int, float)) and example != default and 0 < len(str(example)) <= _LONG:
        yield f"For instance `{example}`."


def _number(value: float) -> str:
    return f"{int(value) if value == int(value) else value:,}"
