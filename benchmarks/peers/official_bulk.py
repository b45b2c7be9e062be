"""klaviyo-api, Klaviyo's own SDK, importing profiles in a loop: chunks by count, each job polled. Run by `benchmarks.bulk`."""

from __future__ import annotations

import json
import resource
import sys
import time
from importlib import import_module
from typing import Any

_CHUNK = 10_000


def main() -> None:
    """Import so many rows, and print what it took."""
    from benchmarks.peers.bulk_rows import rows  # noqa: PLC0415 - after the path is set

    url, count = sys.argv[1], int(sys.argv[2])
    client: Any = import_module("klaviyo_api").KlaviyoAPI("pk_bench", test_host=url)
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    chunk: list[Any] = []
    for row in rows(count):
        chunk.append({"type": "profile", "attributes": row})
        if len(chunk) == _CHUNK:
            _submit(client, chunk)
            chunk = []
    if chunk:
        _submit(client, chunk)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"rows": count, "wall": wall, "cpu": cpu, "memory": (after.ru_maxrss - before.ru_maxrss) / 1024}))


def _submit(client: Any, chunk: list[Any]) -> None:
    body = {"data": {"type": "profile-bulk-import-job", "attributes": {"profiles": {"data": chunk}}}}
    made = client.Profiles.bulk_import_profiles(body, options={"USE_DICTIONARY_FOR_RESPONSE_DATA": True})
    job = made["data"]["id"] if isinstance(made, dict) else made.data.id
    while True:
        found = client.Profiles.get_bulk_import_profiles_job(job, options={"USE_DICTIONARY_FOR_RESPONSE_DATA": True})
        attributes = found["data"]["attributes"] if isinstance(found, dict) else found.data.attributes
        status = attributes["status"] if isinstance(attributes, dict) else attributes.status
        if status in {"complete", "cancelled"}:
            return
        time.sleep(0.25)


if __name__ == "__main__":
    main()
