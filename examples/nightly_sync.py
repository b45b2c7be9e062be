"""A nightly sync: send the shop's customers to Klaviyo, and fetch what is new there.

    pip install "klaviyo-async[parquet]"
    KLAVIYO_API_KEY=pk_… python examples/nightly_sync.py customers.csv warehouse/

Run it from cron. When it is killed, run it again: it goes on where it was. The CSV's columns are names of profile attributes
(``email``, ``first_name``, ``properties.tier``); what Klaviyo refuses is in ``refused.ndjson``, which can be fed in again.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from klaviyo_async import Klaviyo

if TYPE_CHECKING:
    from klaviyo_async.bulk import ExportReport, Report


async def sync(klaviyo: Klaviyo, customers: Path, warehouse: Path) -> tuple[Report, ExportReport, ExportReport]:
    """Import the customers, then fetch new events and all profiles. Returns the reports."""
    night = datetime.now(UTC).date().isoformat()
    state = warehouse / "state"
    state.mkdir(parents=True, exist_ok=True)
    imported = await klaviyo.bulk.import_profiles(
        customers,
        checkpoint=state / f"customers-{night}.sqlite",
        failed_to=warehouse / "refused.ndjson",
        progress=True,
    )
    events, profiles = await asyncio.gather(
        # Appends what is new since the last run, including records that became visible late.
        klaviyo.bulk.export_to(
            warehouse / "events.ndjson", klaviyo.events.get_events, watermark=state / "events.json", progress=True
        ),
        klaviyo.bulk.export_to(
            warehouse / f"profiles-{night}.parquet",
            klaviyo.profiles.get_profiles,
            checkpoint=state / f"profiles-{night}.sqlite",
            progress=True,
        ),
    )
    return imported, events, profiles


async def main(customers: Path, warehouse: Path, **client: Any) -> int:
    """Run the sync with `Klaviyo(**client)`, print the results, and return 1 if rows were refused."""
    async with Klaviyo(**client) as klaviyo:
        reports = await sync(klaviyo, customers, warehouse)
    for report in reports:
        print(report)
    return 0 if reports[0].ok else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]))))
