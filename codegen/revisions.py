"""Names of Klaviyo's API revisions: how they read, which bundle holds them, which one the package ships."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path

from codegen.errors import CodegenError

_REVISION = re.compile(r"(\d{4}-\d{2}-\d{2})(?:\.[a-z0-9]+)?")
_MANIFEST = Path(__file__).resolve().parents[1] / "klaviyo_async" / "generated.json"
_QUARTER = dt.timedelta(days=85)


def check_revision(revision: str) -> str:
    """`revision` itself; CodegenError unless it reads YYYY-MM-DD or YYYY-MM-DD.suffix."""
    if _date(revision) is None:
        raise CodegenError(f"{revision!r} is not a revision; write YYYY-MM-DD, followed by .pre for a beta")
    return revision


def is_beta(revision: str) -> bool:
    """Whether it is a beta, which Klaviyo publishes beside the stable revisions (`2026-04-15.pre`)."""
    return "." in revision


def shipped_revision() -> str:
    """The revision that the package is generated from."""
    return str(json.loads(_MANIFEST.read_text(encoding="utf-8"))["revision"])


def may_be_called(revision: str, version: object) -> bool:
    """Whether documents that call themselves `version` may be imported as `revision`.

    A stable revision has one name. A beta's branch may still hold what Klaviyo wrote for its predecessor of the same
    quarter: the branch 2023-02-22.pre has documents of 2023-01-25.pre.
    """
    if version == revision:
        return True
    if not isinstance(version, str) or not (is_beta(revision) and is_beta(version)):
        return False
    asked, said = _date(revision), _date(version)
    return asked is not None and said is not None and dt.timedelta(0) <= asked - said < _QUARTER


def _date(revision: str) -> dt.date | None:
    match = _REVISION.fullmatch(revision)
    if match is None:
        return None
    try:
        return dt.date.fromisoformat(match[1])
    except ValueError:
        return None
