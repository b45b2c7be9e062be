"""docs/limits.md names all that a snapshot tells."""

from __future__ import annotations

import pathlib

from klaviyo_async.limiter import BucketSnapshot, Snapshot, WindowSnapshot

PAGE = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "limits.md").read_text("utf-8")


def test_every_field_of_the_snapshot_is_documented() -> None:
    for kind in (Snapshot, BucketSnapshot, WindowSnapshot):
        for name in vars(kind)["__slots__"]:
            assert name == "__weakref__" or f"`{name}`" in PAGE
