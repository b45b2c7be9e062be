"""``klaviyo-async fake``: a local Klaviyo to develop against."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import click

from klaviyo_async.cli.connection import machine_option
from klaviyo_async.cli.output import compact, note

if TYPE_CHECKING:
    from klaviyo_async.testing import FakeKlaviyo

_EXAMPLES = """
\b
  klaviyo-async fake --profiles 1000 --events 5000
  KLAVIYO_BASE_URL=http://127.0.0.1:8700 KLAVIYO_API_KEY=pk_test klaviyo-async call get_profiles
"""


@click.command("fake", epilog=_EXAMPLES)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8700, show_default=True, help="Port; 0 for any free one."
)
@click.option("--base-url", metavar="URL", help="Host and port as one URL, as for the other commands.")
@click.option("--database", type=click.Path(dir_okay=False), help="SQLite file that keeps the state across restarts.")
@click.option(
    "--limits/--no-limits", default=True, help="Enforce rate limits with 429 like Klaviyo (default), or don't."
)
@click.option(
    "--accept-key", "api_keys", multiple=True, metavar="KEY", help="Accept only this made-up key. Repeatable."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed for ids and data.")
@click.option("--latency", type=click.FloatRange(min=0), metavar="SECONDS", help="Seconds that each response takes.")
@click.option(
    "--job-seconds", type=click.FloatRange(min=0), default=2.0, show_default=True, help="How long a bulk job takes."
)
@click.option("--profiles", type=click.IntRange(min=0), default=0, help="Profiles to start with.")
@click.option(
    "--lists", type=click.IntRange(min=0), default=0, help="Lists to start with; the profiles are spread over them."
)
@click.option("--events", type=click.IntRange(min=0), default=0, help="Events to start with.")
@click.option("--items", type=click.IntRange(min=0), default=0, help="Catalog items to start with.")
@click.option(
    "--window/--no-window",
    default=True,
    help="Serve pages about it for a browser on this machine (default), or don't.",
)
@machine_option
def command(
    *,
    base_url: str | None,
    host: str,
    port: int,
    api_keys: tuple[str, ...],
    window: bool,
    machine: bool,
    **options: Any,
) -> None:
    """Run a local Klaviyo until Ctrl-C.

    It is built from Klaviyo's documents: it validates requests, keeps state, filters, sorts and paginates, enforces rate limits,
    runs bulk jobs and delivers webhooks. Open its address in a browser to see what the application sent, state and limits, and
    to switch on faults and trigger webhooks. Any key that starts with pk_ is valid. Needs the extra testing.
    """
    from klaviyo_async.testing.standalone import serve
    from klaviyo_async.testing.window.guard import is_loopback

    if base_url is not None:
        host, port = _address(base_url)

    if window and not is_loopback(host):
        note(f"No browser window: its pages are for this machine only, and {host} is not loopback.")
        window = False

    def started(fake: FakeKlaviyo) -> None:
        if machine:
            click.echo(compact({"url": fake.url, "revision": fake.revision, "window": fake.url if window else None}))
        else:
            click.echo(f"Fake Klaviyo, revision {fake.revision}, listens on {fake.url} (Ctrl-C ends it)")
            if window:
                click.echo(f"Open {fake.url} in a browser to see incoming requests.")
        sys.stdout.flush()

    asyncio.run(serve(started, host=host, port=port, api_keys=api_keys or None, window=window, **options))


def _address(url: str) -> tuple[str, int]:
    from yarl import URL

    try:
        parsed = URL(url)
        host, port = parsed.host if parsed.scheme == "http" else None, parsed.explicit_port
    except ValueError:
        host = port = None
    if host is None:
        raise click.BadParameter("expected http://HOST:PORT.", param_hint="--base-url")
    return host, 8700 if port is None else port
