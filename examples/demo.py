"""The main tasks, over real connections: import 20,000 profiles from a CSV file, export them to Parquet, and summarise.

Without KLAVIYO_API_KEY it runs against an embedded Klaviyo on loopback, made from the same documents, with its limits in real time;
with it, read-only against the real one.
"""

from __future__ import annotations

import asyncio
import csv
import logging
import os
import random
import tempfile
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

from klaviyo_async import Klaviyo, KlaviyoError, operations
from klaviyo_async.testing import FakeKlaviyo

ROWS = 20_000
READ = 1_000
BAD = {777: "not an address", 4_242: "two@@example.org", 19_999: "nobody"}
"""Rows that will be rejected, and their e-mail addresses."""


def write_customers(path: Path) -> None:
    """A CSV file like a shop's export."""
    chance = random.Random(1)  # noqa: S311 - it must be the same each time
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["email", "first_name", "last_name", "properties.tier", "properties.orders"])
        for number in range(ROWS):
            email = BAD.get(number, f"customer-{number}@example.org")
            rows.writerow(
                [email, f"Customer {number}", "Example", chance.choice(["gold", "silver"]), chance.randrange(40)]
            )


def share_used(name: str, requests: int, seconds: float) -> str:
    """An operation's requests as a share of what its limits allowed in that time."""
    limits = operations[name].limits
    allowed = min(
        limits.burst.count * (1 + int(seconds / limits.burst.seconds)),
        limits.steady.count * (1 + int(seconds / limits.steady.seconds)),
    )
    return f"{requests:,} requests in {seconds:.1f} s, {requests / allowed:.0%} of {limits.burst} and {limits.steady}"


async def embedded(folder: Path) -> None:
    """Import and export, against the embedded Klaviyo."""
    customers = folder / "customers.csv"
    out = folder / ("profiles.parquet" if find_spec("pyarrow") else "profiles.csv")
    write_customers(customers)
    async with FakeKlaviyo() as fake, Klaviyo("pk_demo", base_url=fake.url) as klaviyo:
        print(f"an embedded Klaviyo listens on {fake.url}; its limits are the real ones")
        imported = await klaviyo.bulk.import_profiles(customers, progress=True)
        print(f"  {imported}")
        print(f"  {share_used('bulk_import_profiles', imported.requests, imported.seconds)}")
        for (code, detail), count in Counter((error.code, error.detail) for error in imported.errors).most_common(5):
            first = next(error for error in imported.errors if (error.code, error.detail) == (code, detail))
            print(f"  {count:,} × {code}: {detail} (row {first.row}, {first.pointer or 'as a whole'})")
        began = time.monotonic()
        exported = await klaviyo.bulk.export_to(out, klaviyo.profiles.get_profiles, progress=True)
        seconds = time.monotonic() - began
        print(
            f"  {exported.records:,} records, {exported.records / seconds:,.0f}/s, {exported.bytes:,} bytes in {out.name}"
        )
        print(f"  {share_used('get_profiles', exported.requests, seconds)}")
        print(f"answers 429: {fake.responses[429]}")
        if exported.records != imported.succeeded or imported.failed != len(BAD) or fake.responses[429]:
            raise SystemExit("that is not what should have come out")


async def real() -> None:
    """Read, against the real Klaviyo."""
    async with Klaviyo() as klaviyo:
        account = (await klaviyo.accounts.get_accounts()).data[0]
        print(f"account {account.id}, read-only")
        metrics = len(await klaviyo.metrics.get_metrics().collect())
        lists = len(await klaviyo.lists.get_lists().collect())
        profiles = len(await klaviyo.profiles.get_profiles(page_size=100).collect(READ))
        print(f"{metrics:,} metrics, {lists:,} lists and {profiles:,} profiles (at most {READ:,}) read")


def main() -> None:
    """Run the demo; errors are one readable message."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    try:
        if os.environ.get("KLAVIYO_API_KEY"):
            asyncio.run(real())
            return
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(embedded(Path(folder)))
    except KlaviyoError as error:
        raise SystemExit(f"\n{error}") from None
    except KeyboardInterrupt:
        raise SystemExit("\nstopped") from None


if __name__ == "__main__":
    main()
