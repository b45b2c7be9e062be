"""The natural writes are sent as well as typed: each gets through the checks of a call."""

from __future__ import annotations

import inspect
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_async.models import EventCreateQueryV2, ListCreateQuery
from tests.operations.conftest import klaviyo, recorder  # noqa: F401 - fixtures
from tests.typing.programs import writes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from klaviyo_async import Klaviyo
    from tests.support.servers import RawServer

pytestmark = pytest.mark.asyncio(loop_scope="module")
EVENT = {
    "data": {
        "type": "event",
        "attributes": {
            "properties": {},
            "metric": {"data": {"type": "metric", "attributes": {"name": "x"}}},
            "profile": {"data": {"type": "profile", "attributes": {"email": "a@x.com"}}},
        },
    }
}
ELSEWHERE = {"import_rows", "upload_unpacked"}
"""Programs that need files of several formats: tests/bulk/test_sources.py and tests/request/test_multipart.py have them."""
PROGRAMS = [name for name, each in vars(writes).items() if inspect.iscoroutinefunction(each) and name not in ELSEWHERE]


async def stored() -> AsyncIterator[EventCreateQueryV2]:
    yield EventCreateQueryV2.from_dict(EVENT)


@pytest.mark.parametrize("name", PROGRAMS)
async def test_what_the_checkers_take_is_sent(
    name: str,
    klaviyo: Klaviyo,  # noqa: F811
    recorder: RawServer,  # noqa: F811
    tmp_path: Path,
) -> None:
    image = tmp_path / "logo.png"
    image.write_bytes(b"\x89PNG")
    values: dict[str, Any] = {
        "email": "sarah@example.com",
        "order": {"id": 1, "total": 9.5},
        "orders": [{"email": "sarah@example.com", "total": 9.5}],
        "row": {"name": "x"} if name == "keep_lists" else {"first_name": "Sarah"},
        "phone": None,
        "emails": ["sarah@example.com"],
        "phones": {"sarah@example.com": "+15005550006"},
        "ids": ["01A"],
        "chosen": {"01A"},
        "template": "ABC",
        "since": datetime(2026, 1, 1, tzinfo=UTC),
        "secret": "a secret of some length",
        "path": image,
        "content": b"\x89PNG",
        "file": io.BytesIO(b"\x89PNG"),
        "event": EventCreateQueryV2.from_dict(EVENT),
        "wanted": ListCreateQuery.from_dict({"data": {"type": "list", "attributes": {"name": "x"}}}),
        "stored": stored(),
        "sort": "-created",
        "fields": {"profile": ["email"]},
        "given": {"page_size": 5},
    }
    if name == "read_by_variables":
        values["wanted"] = True
    program = getattr(writes, name)
    arguments = {each: values[each] for each in inspect.signature(program).parameters if each != "klaviyo"}
    recorder.always(200, None)
    await program(klaviyo, **arguments)
    assert len(recorder.requests) >= inspect.getsource(program).count("await ")
