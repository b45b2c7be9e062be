"""``python -m klaviyo_async.testing``: a stand-alone fake Klaviyo."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from klaviyo_async.errors import ConfigurationError
from klaviyo_async.testing.standalone import serve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from klaviyo_async.testing.server import FakeKlaviyo


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the fake until it is interrupted, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m klaviyo_async.testing", description="A stand-alone fake of Klaviyo's API on loopback."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8700, help="port to listen on, 0 for any (default: %(default)s)")
    parser.add_argument("--database", metavar="FILE", help="SQLite file that keeps the state across restarts")
    parser.add_argument("--no-limits", action="store_true", help="don't enforce rate limits, never respond with 429")
    parser.add_argument("--api-key", action="append", metavar="KEY", help="accept only this key (repeatable)")
    parser.add_argument("--seed", type=int, default=0, help="seed for ids and data (default: %(default)s)")
    parser.add_argument("--latency", type=float, metavar="SECONDS", help="seconds before each response")
    parser.add_argument(
        "--job-seconds", type=float, default=2.0, help="how long a bulk job takes (default: %(default)s)"
    )
    parser.add_argument("--profiles", type=int, default=0, help="profiles to start with")
    parser.add_argument("--lists", type=int, default=0, help="lists to start with; the profiles are spread over them")
    parser.add_argument("--events", type=int, default=0, help="events to start with")
    parser.add_argument("--items", type=int, default=0, help="catalog items to start with")
    given = parser.parse_args(arguments)
    try:
        asyncio.run(
            serve(
                _say,
                profiles=given.profiles,
                lists=given.lists,
                events=given.events,
                items=given.items,
                host=given.host,
                port=given.port,
                limits=not given.no_limits,
                api_keys=given.api_key,
                seed=given.seed,
                latency=given.latency,
                job_seconds=given.job_seconds,
                database=given.database,
            )
        )
    except KeyboardInterrupt:
        return 0
    except (ConfigurationError, OSError) as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    return 0


def _say(fake: FakeKlaviyo) -> None:
    sys.stdout.write(f"Fake Klaviyo, revision {fake.revision}, listens on {fake.url}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
