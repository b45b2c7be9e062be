"""A local Klaviyo for tests: `FakeKlaviyo`, which listens on loopback, and the pytest fixtures `fake_klaviyo` and `klaviyo`.

::

    async with FakeKlaviyo() as fake, Klaviyo("pk_test", base_url=fake.url) as klaviyo:
        await klaviyo.profiles.create_profile(email="sarah@example.com")

Needs the extra ``testing``: ``pip install 'klaviyo-async[testing]'``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from klaviyo_async.testing.clock import Clock
    from klaviyo_async.testing.faults import Fault
    from klaviyo_async.testing.recorder import RecordedRequest
    from klaviyo_async.testing.server import FakeKlaviyo
    from klaviyo_async.testing.store import Store

__all__ = ["Clock", "FakeKlaviyo", "Fault", "RecordedRequest", "Store"]

_HOMES = {
    "Clock": "clock",
    "FakeKlaviyo": "server",
    "Fault": "faults",
    "RecordedRequest": "recorder",
    "Store": "store",
}


def __getattr__(name: str) -> Any:
    # pytest loads this package in every run for its plugin: import nothing heavy until it is used
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
