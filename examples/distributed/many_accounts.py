"""An agency's nightly sync: what is new in each of many accounts, one job for each account. Run it by cron:

    REDIS_URL=redis://… python -m distributed.many_accounts /shared/folder accounts.txt

Each account has limits of its own, so the more of them there are at once the better. A job's key has the day in it: started
twice, the sync runs once.
"""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime
from pathlib import Path

from distributed.waiting import results_of
from distributed.work import queue


async def main() -> None:
    """Queue a job for each account, wait, sum up."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", help="where the workers write, on a disk that all of them see")
    arguments.add_argument("accounts", type=argparse.FileType(), help="a file with the name of an account on each line")
    arguments.add_argument("--day", default=datetime.now(UTC).date().isoformat())
    given = arguments.parse_args()
    accounts = given.accounts.read().split()
    jobs = {f"{given.day}-{account}": {"account": account, "folder": str(Path(given.folder))} for account in accounts}
    reports = await results_of("sync_account", jobs)
    records, requests = (sum(report[name] for report in reports.values()) for name in ("records", "requests"))
    print(f"{len(accounts)} accounts: {records:,} new records, {requests:,} requests")
    await queue.disconnect()


if __name__ == "__main__":
    asyncio.run(main())
