"""Bytes to attrs and back: a 100-profile page against orjson's dicts, side by side and interleaved.

python -m benchmarks.decoding [--rounds N]
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import orjson

from benchmarks.data import profiles_page
from klaviyo_async.model import Model
from klaviyo_async.models import GetProfileResponseCollectionCompoundDocument as Page

if TYPE_CHECKING:
    from collections.abc import Callable


def read_three(page: Page) -> Page:
    """What a typical loop reads of each profile."""
    for profile in page.data:
        attributes = profile.attributes
        _ = profile.id, attributes.email, attributes.created
    return page


def open_all(model: Any) -> Any:
    """Read every field of every object."""
    for attribute in model.__attrs_attrs__:
        value = getattr(model, attribute.name)
        if isinstance(value, Model):
            open_all(value)
        elif type(value) is list:
            for item in value:
                if isinstance(item, Model):
                    open_all(item)
    return model


def interleaved(cases: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each case, all of them once a round, in an order of chance: what ran before warms the caches."""
    times: dict[str, list[float]] = {name: [] for name in cases}
    order = list(cases.items())
    chance = random.Random(0)
    for _ in range(rounds):
        chance.shuffle(order)
        for name, run in order:
            start = time.perf_counter()
            kept = run()
            times[name].append(time.perf_counter() - start)
            del kept
    return {name: statistics.median(found) for name, found in times.items()}


def held(make: Callable[[], object], profiles: int) -> float:
    """KiB for each profile that the result holds."""
    make()
    gc.collect()
    tracemalloc.start()
    kept = make()
    gc.collect()
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del kept
    return size / profiles / 1024


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    rounds = parser.parse_args().rounds
    data = profiles_page()
    walked = open_all(Page.from_json(data))
    decode: dict[str, Callable[[], object]] = {
        "orjson.loads": lambda: orjson.loads(data),
        "from_json": lambda: Page.from_json(data),
        "from_json, 3 attributes of each profile read": lambda: read_three(Page.from_json(data)),
        "from_json, every field of every object read": lambda: open_all(Page.from_json(data)),
        "of which: the walk alone, on a page that is read already": lambda: open_all(walked),
    }
    print(f"page: {len(data):,} bytes, 100 profiles; medians of {rounds} interleaved rounds\n")
    times = interleaved(decode, rounds)
    base = times["orjson.loads"]
    print("| bytes to objects | µs | × orjson | KiB per profile |\n|---|---|---|---|")
    for name, run in decode.items():
        print(f"| {name} | {times[name] * 1e6:.0f} | {times[name] / base:.2f} | {held(run, 100):.1f} |")

    plain, fresh = orjson.loads(data), Page.from_json(data)
    read, opened = read_three(Page.from_json(data)), open_all(Page.from_json(data))
    encode: dict[str, Callable[[], object]] = {
        "orjson.dumps of dicts": lambda: orjson.dumps(plain),
        "to_json": fresh.to_json,
        "to_json, 3 attributes read": read.to_json,
        "to_json, all read": opened.to_json,
    }
    times = interleaved(encode, rounds)
    base = times["orjson.dumps of dicts"]
    print("\n| objects to bytes | µs | × orjson |\n|---|---|---|")
    for name in encode:
        print(f"| {name} | {times[name] * 1e6:.0f} | {times[name] / base:.2f} |")


if __name__ == "__main__":
    main()
