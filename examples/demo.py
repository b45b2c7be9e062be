"""The main job, on real wire: create profiles, read them back page by page, record events, and sum up.

Without KLAVIYO_API_KEY it runs against an embedded Klaviyo on loopback, made from the same documents, with its limits;
with it, read-only against the real one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from klaviyo_async import F, Klaviyo, KlaviyoError
from klaviyo_async.testing import FakeKlaviyo

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Iterable

PROFILES = 300
EVENTS = 1_000
READ = 1_000


class Progress:
    """How far a step is: one line that changes on a terminal, a line at the end elsewhere."""

    def __init__(self, what: str, total: int | None) -> None:
        self.what, self.total, self.done = what, total, 0
        self.start = self.shown = time.monotonic()
        self.live = sys.stdout.isatty()

    def step(self, count: int = 1) -> None:
        """Count, and show it if it is time."""
        self.done += count
        now = time.monotonic()
        if self.live and now - self.shown > 0.1:
            self.shown = now
            print(f"\r{self.what}: {self.done:,}{f' of {self.total:,}' if self.total else ''}", end="", flush=True)

    def end(self) -> None:
        """Show the step as done."""
        seconds = time.monotonic() - self.start
        rate = f", {self.done / seconds:,.0f}/s" if seconds > 0 else ""
        back = "\r" if self.live else ""
        print(f"{back}{self.what}: {self.done:,} in {seconds:.1f} s{rate}")


async def all_of(what: str, calls: Iterable[Awaitable[object]]) -> None:
    """Await all calls at once; the client keeps them within the limits."""
    calls = list(calls)
    progress = Progress(what, len(calls))

    async def one(call: Awaitable[object]) -> None:
        await call
        progress.step()

    async with asyncio.TaskGroup() as group:
        for call in calls:
            group.create_task(one(call))
    progress.end()


async def count(what: str, records: AsyncIterable[object], limit: int | None = None) -> int:
    """Count records as their pages come."""
    progress = Progress(what, limit)
    async for _ in records:
        progress.step()
        if progress.done == limit:
            break
    progress.end()
    return progress.done


async def embedded() -> None:
    """Write and read, against the embedded Klaviyo."""
    async with FakeKlaviyo() as fake, Klaviyo("pk_demo", base_url=fake.url) as klaviyo:
        print(f"an embedded Klaviyo listens on {fake.url}; its limits are the real ones\n")
        started = datetime.now(UTC) - timedelta(seconds=2)  # times have no fractions of a second
        await all_of(
            "profiles created",
            (
                klaviyo.profiles.create_profile(
                    email=f"customer-{number}@example.org",
                    first_name=f"Customer {number}",
                    properties={"tier": "gold" if number % 3 == 0 else "silver"},
                )
                for number in range(PROFILES)
            ),
        )
        await all_of(
            "events recorded",
            (
                klaviyo.events.create_event(
                    metric={"name": "Placed Order"},
                    profile={"email": f"customer-{number % PROFILES}@example.org"},
                    properties={"OrderId": f"{number}"},
                    value=9.5,
                    unique_id=f"order-{number}",
                )
                for number in range(EVENTS)
            ),
        )
        progress = Progress("profiles read back", PROFILES)
        gold = 0
        async for profile in klaviyo.profiles.get_profiles(
            filter=F("created") > started, fields={"profile": ["email", "properties"]}, page_size=100
        ):
            gold += (profile.attributes.properties or {}).get("tier") == "gold"
            progress.step()
        progress.end()
        events = await count("events read back", klaviyo.events.get_events(page_size=200))

        answers = fake.answers
        refused = sum(number for status, number in answers.items() if status == 429)
        print(
            f"\n{progress.done:,} profiles ({gold:,} gold) and {events:,} events are there;"
            f" {sum(answers.values()):,} requests, {refused} of them answered 429"
        )
        if progress.done != PROFILES or events != EVENTS or refused:
            raise SystemExit("that is not what should have come out")


async def real() -> None:
    """Read, against the real Klaviyo."""
    async with Klaviyo() as klaviyo:
        account = (await klaviyo.accounts.get_accounts()).data[0]
        print(f"account {account.id}, read-only\n")
        metrics = await count("metrics", klaviyo.metrics.get_metrics())
        lists = await count("lists", klaviyo.lists.get_lists())
        profiles = await count(f"profiles (at most {READ:,})", klaviyo.profiles.get_profiles(page_size=100), READ)
        print(f"\n{metrics:,} metrics, {lists:,} lists and {profiles:,} profiles read")


def main() -> None:
    """Run the demo; errors are one readable message."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    try:
        asyncio.run(real() if os.environ.get("KLAVIYO_API_KEY") else embedded())
    except* KlaviyoError as group:
        raise SystemExit(f"\n{group.exceptions[0]}") from None
    except* KeyboardInterrupt:
        raise SystemExit("\nstopped") from None


if __name__ == "__main__":
    main()
