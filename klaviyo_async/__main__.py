"""``python -m klaviyo_async``: the same as ``klaviyo-async``."""

from __future__ import annotations

import sys

from klaviyo_async.cli import main

if __name__ == "__main__":
    sys.exit(main())
