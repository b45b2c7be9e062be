"""Who may view and use the window: a browser on this machine, on one of the window's own pages."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADERS: Mapping[str, str] = {
    # Nothing from outside, nothing inline, and no other page may frame it, read it or send its forms elsewhere.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refusal(method: str, host: str | None, headers: Mapping[str, str]) -> str | None:
    """Why a request is refused, None where it is not.

    The Host header keeps out pages whose name was pointed at this machine (DNS rebinding); Origin and Sec-Fetch-Site, which
    browsers set and pages can't, keep out the forms and scripts of other pages.
    """
    if not _is_ours(host):
        return "The window is only available at 127.0.0.1, ::1 and localhost."
    if method in {"GET", "HEAD"}:
        return None
    if headers.get("Origin") != f"http://{host}" or headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return "Only the window's own pages may change anything."
    return None


def _is_ours(host: str | None) -> bool:
    try:
        name = URL(f"http://{host}").host if host else None
    except ValueError:
        return False
    return name is not None and is_loopback(name)
