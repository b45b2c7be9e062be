"""All that a debugger, an error tracker or a careless print could show of a secret."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import klaviyo_async

if TYPE_CHECKING:
    from types import TracebackType

PACKAGE = str(Path(klaviyo_async.__file__).parent)


def frames(error: BaseException, *, seen: set[int] | None = None) -> list[tuple[str, str, Any]]:
    """Function, name and value of every local variable in the package's frames of a traceback, its causes included."""
    seen = set() if seen is None else seen
    if id(error) in seen:
        return []
    seen.add(id(error))
    found: list[tuple[str, str, Any]] = []
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename.startswith(PACKAGE):
            found += [(code.co_name, name, value) for name, value in trace.tb_frame.f_locals.items()]
        trace = trace.tb_next
    for link in (error.__cause__, error.__context__):
        if link is not None:
            found += frames(link, seen=seen)
    return found


def plainly(value: Any, secret: str, depth: int = 0) -> bool:
    """Whether a value shows the secret: by its repr, or as a plain string or bytes somewhere in its containers."""
    if secret in repr(value):
        return True
    if type(value) is str:
        return secret in value
    if isinstance(value, bytes | bytearray):
        return secret.encode() in value
    if depth > 4:
        return False
    if isinstance(value, dict):
        return any(plainly(one, secret, depth + 1) for pair in value.items() for one in pair)
    if isinstance(value, list | tuple | set | frozenset):
        return any(plainly(one, secret, depth + 1) for one in value)
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    inside = {name: getattr(value, name, None) for name in slots} | getattr(value, "__dict__", {})
    if type(value).__module__.startswith("klaviyo_async"):
        return any(plainly(one, secret, depth + 1) for one in inside.values())
    return False


def assert_no_frame_shows(error: BaseException, *secrets: str) -> None:
    locals_ = frames(error)
    assert locals_, "the error has no frame of the package: nothing was looked at"
    for function, name, value in locals_:
        for secret in secrets:
            assert not plainly(value, secret), f"{function}: {name} shows {secret}"
