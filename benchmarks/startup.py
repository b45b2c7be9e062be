"""What importing costs: `import klaviyo_async` against `import aiohttp`, preloading, sizes.

python -m benchmarks.startup [--rounds N]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import klaviyo_async

_CODE = {
    "nothing": "",
    "import aiohttp": "import aiohttp",
    "import klaviyo_async": "import klaviyo_async",
    "import klaviyo_async and make a client": "import klaviyo_async; klaviyo_async.Klaviyo('pk_bench')",
    'preload("get_profiles")': "import klaviyo_async; klaviyo_async.preload('get_profiles')",
    "preload()": "import klaviyo_async; klaviyo_async.preload()",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    times: dict[str, list[float]] = {name: [] for name in _CODE}
    for number in range(rounds + 1):
        for name, code in _CODE.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, env=environment)
            if number:
                times[name].append(time.perf_counter() - start)
    nothing = statistics.median(times["nothing"])
    base = statistics.median(times["import aiohttp"]) - nothing
    print(f"process start {nothing * 1e3:.0f} ms, taken off below; medians of {rounds} interleaved rounds\n")
    print("| | ms | × import aiohttp |\n|---|---|---|")
    for name, found in list(times.items())[1:]:
        taken = statistics.median(found) - nothing
        print(f"| `{name}` | {taken * 1e3:.1f} | {taken / base:.2f} |")
    here = Path(klaviyo_async.__file__).parent
    source = sum(path.stat().st_size for path in here.rglob("*") if path.is_file() and path.suffix != ".pyc")
    total = sum(path.stat().st_size for path in here.rglob("*") if path.is_file())
    print(f"\npackage: {source / 1e6:.1f} MB of files, {total / 1e6:.1f} MB with the bytecode of this Python")


if __name__ == "__main__":
    main()
