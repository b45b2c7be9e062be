"""What the contract's tests share beside the server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.servers import document

if TYPE_CHECKING:
    from aiohttp import web

ROOT = Path(__file__).resolve().parents[2]


def errors(status: int, code: str = "code", headers: dict[str, str] | None = None, **more: Any) -> web.Response:
    error = {
        "id": "3a1c7e50-0000-0000-0000-000000000000",
        "status": status,
        "code": code,
        "title": "A title",
        "detail": "A detail.",
        "source": {"pointer": "/data/attributes/email"},
        "links": {},
        "meta": {},
        **more,
    }
    return document({"errors": [error]}, status, **(headers or {}))
