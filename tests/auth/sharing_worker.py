"""One of several processes that share a rotating refresh token in a file: `python -m tests.auth.sharing_worker URL FILE LOCKED`.

Makes calls for a while; each waits until its access token has expired (the fake's do after a second). Prints how many were right.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from klaviyo_async import Klaviyo, OAuth

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CALLS = 4


async def main(url: str, file: str, locked: str) -> int:
    path = Path(file)

    def save(access_token: str, refresh_token: str, expires_at: Any) -> None:
        fresh = path.with_suffix(".new")
        fresh.write_text(
            json.dumps(
                {"access_token": access_token, "refresh_token": refresh_token, "expires_at": expires_at.isoformat()}
            )
        )
        fresh.rename(path)

    def load() -> Any:
        return json.loads(path.read_text())

    @asynccontextmanager
    async def lock() -> AsyncIterator[None]:
        with path.with_suffix(".lock").open("w") as handle:
            await asyncio.to_thread(fcntl.flock, handle, fcntl.LOCK_EX)
            yield

    auth = OAuth(
        "app", "secret", load_tokens=load, on_tokens=save, account="shared", token_url=f"{url}/oauth/token",
        lock=lock if locked == "locked" else None,
    )  # fmt: skip
    right = 0
    async with Klaviyo(auth=auth, base_url=url, limiter=False) as klaviyo:
        for _ in range(CALLS):
            await klaviyo.accounts.get_accounts()
            right += 1
            # As an hour later: every process finds its access token refused at about the same time.
            await auth.rejected(await auth.authorize())
    return right


if __name__ == "__main__":
    print(asyncio.run(main(*sys.argv[1:])))
