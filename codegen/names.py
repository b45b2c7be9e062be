"""Names of the documents → names in Python."""

from __future__ import annotations

import keyword
import re

from klaviyo_async._model import Model

_METHODS = frozenset(name for name in dir(Model) if not name.startswith("__")) | {"additional_properties"}
_PRIVATE = frozenset({"_decode", "_extra", "_wire"})
_ON_WINDOWS = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])_*", re.IGNORECASE)


def python_name(wire: str) -> str:
    """The Python name of a JSON name: snake_case as it is, hyphens as underscores, a trailing one where it is taken."""
    name = re.sub(r"[^0-9A-Za-z_]", "_", wire)
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    if not name or name[0].isdigit():
        name = f"field_{name}"
    return f"{name}_" if keyword.iskeyword(name) or name == "self" else name


def field_name(wire: str) -> str:
    """The name of a model's field: as `python_name`, apart from what every model has already."""
    name = python_name(wire)
    return f"{name}_" if name in _METHODS or name in _PRIVATE or name.startswith(("__", "_raw_")) else name


def module_name(name: str) -> str:
    """The module of a class: `SMSMarketing` → `sms_marketing`. Names that differ by case only share one."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return file_stem(name.lower())


def file_stem(name: str) -> str:
    """`name` as the name of a file before its suffix: with an underscore more where Windows reserves it (`con`, `nul`)."""
    return f"{name}_" if _ON_WINDOWS.fullmatch(name) else name


def pascal_case(name: str) -> str:
    """`data_privacy` and `push-token` as class names have it: `DataPrivacy`, `PushToken`."""
    return "".join(part.capitalize() for part in name.replace("-", "_").split("_"))
