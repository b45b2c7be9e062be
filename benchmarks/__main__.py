"""All measurements, one after the other."""

from __future__ import annotations

import subprocess
import sys

MODULES = (
    "decoding",
    "clients",
    "handlers",
    "startup",
    "checks",
    "limits",
    "fake",
    "soak",
    "chaos",
    "bulk",
    "bulk_exports",
)


def main() -> None:
    """Run them; the output is what RESULTS.md keeps."""
    for name in MODULES:
        print(f"\n## python -m benchmarks.{name}\n", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)


if __name__ == "__main__":
    main()
