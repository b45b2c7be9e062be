"""Names of the documents → names in Python."""

from __future__ import annotations

import keyword
import re


def python_name(wire: str) -> str:
    """The Python name of a JSON name: snake_case as it is, hyphens as underscores, a trailing one where it is taken."""
    name = re.sub(r"[^0-9A-Za-z_]", "_", wire)
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    if not name or name[0].isdigit():
        name = f"field_{name}"
    return f"{name}_" if keyword.iskeyword(name) or name == "self" else name


def module_name(name: str) -> str:
    """The module of a class: `SMSMarketing` → `sms_marketing`."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return name.lower()


def pascal_case(name: str) -> str:
    """`data_privacy` and `push-token` as class names have it: `DataPrivacy`, `PushToken`."""
    return "".join(part.capitalize() for part in name.replace("-", "_").split("_"))
