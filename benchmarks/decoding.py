"""Bytes to attrs and back: a 100-profile page against orjson's dicts read alike, side by side and interleaved.

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
from klaviyo_async import models, operations
from klaviyo_async._model import Model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Read = Callable[[Any], object]

Page: Any = getattr(models, str(operations["get_profiles"].response))


def read_three(page: Any) -> Any:
    """What a typical loop reads of each profile."""
    for profile in page.data:
        attributes = profile.attributes
        _ = profile.id, attributes.email, attributes.created
    return page


def read_three_of_dicts(page: dict[str, Any]) -> dict[str, Any]:
    for profile in page["data"]:
        attributes = profile["attributes"]
        _ = profile["id"], attributes["email"], attributes["created"]
    return page


def everything(page: Any) -> tuple[Read, Read]:
    """Two functions, for a page of models and one of dicts, that read every attribute of every profile once.

    They are written out as a program would have them, `profile.attributes.email`, from what the first profile has.
    """
    models, dicts = (
        ["def read(page):", f"    for o0 in page{data}:", *(f"        {line}" for line in lines), "    return page"]
        for data, lines in zip((".data", "['data']"), _lines(page.data[0], 0), strict=True)
    )
    return _function(models), _function(dicts)


def _lines(model: Model, level: int) -> tuple[list[str], list[str]]:
    models: list[str] = []
    dicts: list[str] = []
    for name, wire in model._wires.items():
        if not model.is_set(name):
            continue
        value = getattr(model, name)
        models.append(f"o{level + 1} = o{level}.{name}")
        dicts.append(f"o{level + 1} = o{level}[{wire!r}]")
        if isinstance(value, Model):
            inside, alike = _lines(value, level + 1)
            models += inside
            dicts += alike
    return models, dicts


def _function(lines: list[str]) -> Read:
    scope: dict[str, Any] = {}
    exec("\n".join(lines), scope)
    found: Read = scope["read"]
    return found


def interleaved(cases: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median CPU seconds of each case, all of them once a round, in an order of chance: what ran before warms the caches."""
    times: dict[str, list[float]] = {name: [] for name in cases}
    order = list(cases.items())
    chance = random.Random(0)
    for _ in range(rounds):
        chance.shuffle(order)
        for name, run in order:
            start = time.process_time()
            kept = run()
            times[name].append(time.process_time() - start)
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


def comparisons(data: bytes) -> Iterator[tuple[str, dict[str, tuple[Callable[[], object], Callable[[], object]]]]]:
    """Tables: for each row what models do, and what is done with dicts for it."""
    read_all, read_all_of_dicts = everything(Page.from_json(data))
    plain, unread = orjson.loads(data), Page.from_json(data)
    three, walked = read_three(Page.from_json(data)), Page.from_json(data)
    read_all(walked)
    yield (
        "bytes to objects",
        {
            "parsed": (lambda: Page.from_json(data), lambda: orjson.loads(data)),
            "3 attributes of each profile read": (
                lambda: read_three(Page.from_json(data)),
                lambda: read_three_of_dicts(orjson.loads(data)),
            ),
            "every attribute read once": (
                lambda: read_all(Page.from_json(data)),
                lambda: read_all_of_dicts(orjson.loads(data)),
            ),
        },
    )
    yield "objects read", {"every attribute read again": (lambda: read_all(walked), lambda: read_all_of_dicts(plain))}
    yield (
        "objects to bytes and dicts",
        {
            "to_json, nothing read": (unread.to_json, lambda: orjson.dumps(plain)),
            "to_json, 3 attributes read": (three.to_json, lambda: orjson.dumps(plain)),
            "to_json, all read": (walked.to_json, lambda: orjson.dumps(plain)),
            "to_dict, nothing read": (unread.to_dict, lambda: orjson.dumps(plain)),
            "to_dict, all read": (walked.to_dict, lambda: orjson.dumps(plain)),
        },
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    rounds = parser.parse_args().rounds
    data = profiles_page()
    print(f"page: {len(data):,} bytes, 100 profiles; medians of CPU time in {rounds} interleaved rounds")
    for title, rows in comparisons(data):
        cases = {name: run for name, (run, _) in rows.items()} | {
            f"{name}, dicts": run for name, (_, run) in rows.items()
        }
        times = interleaved(cases, rounds)
        parsing = title == "bytes to objects"
        print(f"\n| {title} | µs | dicts, µs | × |{' KiB per profile | dicts |' if parsing else ''}")
        print(f"|---|---|---|---|{'---|---|' if parsing else ''}")
        for name, runs in rows.items():
            mine, theirs = times[name], times[f"{name}, dicts"]
            sizes = "".join(f" {held(run, 100):.1f} |" for run in runs) if parsing else ""
            print(f"| {name} | {mine * 1e6:.0f} | {theirs * 1e6:.0f} | {mine / theirs:.2f} |{sizes}")


if __name__ == "__main__":
    main()
