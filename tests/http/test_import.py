"""The package is light to import, says all its names, and `preload` loads ahead."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import klaviyo_async
from klaviyo_async import QueryError, preload

ROOT = Path(__file__).resolve().parents[2]


def modules_after(program: str) -> set[str]:
    """Names of the modules that are loaded after a program."""
    out = subprocess.run(
        [sys.executable, "-c", f"import sys\n{program}\nprint('\\n'.join(sys.modules))"],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return set(out.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = modules_after("import klaviyo_async; klaviyo_async.__version__")
    ours = {name for name in loaded if name.startswith("klaviyo_async")}
    assert ours == {"klaviyo_async", "klaviyo_async._version"}
    assert not loaded & {"aiohttp", "attrs", "attr", "orjson", "yarl", "redis", "asyncio"}


def test_making_a_client_loads_no_models_and_no_endpoint_functions() -> None:
    loaded = modules_after("from klaviyo_async import Klaviyo, F; Klaviyo('pk_x'); F('email')")
    assert "aiohttp" not in loaded
    assert not {name for name in loaded if name.startswith(("klaviyo_async.models", "klaviyo_async.filters"))}
    assert {name for name in loaded if name.startswith("klaviyo_async.api")} == {"klaviyo_async.api"}
    assert "redis" not in loaded


def test_operations_tell_of_themselves_without_models() -> None:
    loaded = modules_after(
        "import klaviyo_async; klaviyo_async.operations['get_profiles'].limits; len(klaviyo_async.operations)"
    )
    assert not {name for name in loaded if name.startswith("klaviyo_async.models")}


def test_preload_of_some_loads_just_these() -> None:
    loaded = modules_after("from klaviyo_async import preload; preload('get_profiles')")
    assert "klaviyo_async.api.profiles" in loaded
    assert "klaviyo_async.api.campaigns" not in loaded
    assert "aiohttp" in loaded
    assert any(name.startswith("klaviyo_async.models.") for name in loaded)


def test_after_preload_of_all_nothing_is_left_to_load() -> None:
    loaded = modules_after("from klaviyo_async import preload; preload()")
    generated = {
        f"klaviyo_async.{package}.{path.stem}"
        for package in ("api", "models", "filters", "operation_table")
        for path in (ROOT / "klaviyo_async" / package).glob("[!_]*.py")
    }
    assert generated
    assert not generated - loaded


def test_preload_of_an_unknown_name() -> None:
    with pytest.raises(QueryError, match="no operation 'get_profile_s'; did you mean 'get_profiles'"):
        preload("get_profile_s")


@pytest.mark.parametrize("name", [5, None, ["get_profiles"]])
def test_preload_of_what_is_no_name(name: Any) -> None:
    with pytest.raises(TypeError, match=r"preload takes the names of operations"):
        preload(name)


def test_every_name_is_there() -> None:
    for name in klaviyo_async.__all__:
        assert getattr(klaviyo_async, name) is not None
        assert name in dir(klaviyo_async)
    assert sorted(klaviyo_async.__all__) == sorted(set(klaviyo_async.__all__))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = klaviyo_async.nothing


def test_operations_stay_the_table_however_they_were_imported() -> None:
    program = """
from klaviyo_async.operation_table import operations
import klaviyo_async
assert klaviyo_async.operations is operations
assert klaviyo_async.operations["get_profiles"].path == "/api/profiles"
"""
    assert modules_after(program)


def test_what_is_not_there_is_not_claimed() -> None:
    assert not hasattr(klaviyo_async, "websockets")
    assert "websockets" not in dir(klaviyo_async)
