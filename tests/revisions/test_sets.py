"""Every set of documents that is given, as a package against the fake; skipped where they are absent."""

from __future__ import annotations

import importlib
import lzma
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from klaviyo_async import APIError, Klaviyo
from klaviyo_async.testing import FakeKlaviyo
from klaviyo_async.testing.examples import example
from tests.support.revisions import generated_from, imported

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from klaviyo_async.operation import Operation

ROOT = Path(__file__).resolve().parents[2]
SETS = ROOT.parent / "shared" / "upstream" / "sets"
REVISIONS = sorted(path.name.removesuffix(".json.xz") for path in SETS.glob("*.json.xz"))
pytestmark = pytest.mark.skipif(not REVISIONS, reason="the sets of documents are not on this machine")


LACKING = {"2023-02-22.pre": "its one list wants a filter", "2025-04-15.pre": "it has no such list"}


def name_of(revision: str) -> str:
    return "set_" + revision.replace("-", "_").replace(".", "_")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sets")


@pytest.fixture(scope="module")
def package_of(folder: Path) -> Callable[[str], ModuleType]:
    """Revision → its package, generated when it is first asked for."""

    def package(revision: str) -> ModuleType:
        name = name_of(revision)
        if not (folder / "out" / name).is_dir():
            source = folder / f"{revision}.json"
            source.write_bytes(lzma.decompress((SETS / f"{revision}.json.xz").read_bytes()))
            specs = imported(source, revision, folder / "specs")
            return generated_from(specs, revision, name, folder / "out")
        return importlib.import_module(name)

    return package


class Asking:
    """Sends a request of each operation, as right as its examples are, to a fake that has a resource of each type."""

    def __init__(self, fake: FakeKlaviyo, klaviyo: Any) -> None:
        self.fake, self.klaviyo, self.world = fake, klaviyo, fake._world

    async def __call__(self, operation: Operation) -> int:
        route = self.world.router.routes[operation.name]
        arguments = ["profiles"] * len(operation.path_parameters)
        if arguments and route.type is not None and route.type in self.world.store.kinds:
            record = next(self.world.store.records(route.type), None)
            arguments[0] = self.fake.store.add(route.type, {})["id"] if record is None else record.id
        path = operation.path
        for parameter, value in zip(operation.path_parameters, arguments, strict=True):
            path = path.replace(f"{{{parameter}}}", quote(value, safe=""))
        body = None
        if route.facts.request is not None and route.facts.media != "multipart/form-data":
            body = example(self.world.schemas, route.facts.request, full=False)
        given = {
            each.wire: each.enum[0] if each.enum else "x"
            for each in operation.parameters
            if each.required and each.place == "query" and each.kind != "filter"
        }
        try:
            await self.klaviyo.request(operation.method, path, params=given, json=body)
        except APIError as error:
            return error.status
        return 200


@pytest.mark.parametrize("revision", REVISIONS)
async def test_the_fake_serves_every_operation(package_of: Callable[[str], ModuleType], revision: str) -> None:
    package = package_of(revision)
    async with (
        FakeKlaviyo(operations=package.operations, limits=False, strict=False) as fake,
        package.Klaviyo("pk_1", company_id="AbC123", base_url=fake.url, max_retries=0) as klaviyo,
    ):
        ask = Asking(fake, klaviyo)
        last_deletes = sorted(package.operations.values(), key=lambda each: each.method == "DELETE")
        statuses = {operation.name: await ask(operation) for operation in last_deletes}
        coverage = fake.coverage()
        routes = fake._world.router.routes
    # Requests are refused with a reason, never with a 500; 409 where a job was faster with the same external id.
    assert {name: status for name, status in statuses.items() if status not in {200, 400, 404, 409}} == {}
    assert sum(status == 200 for status in statuses.values()) > 0.6 * len(statuses)
    stateless = {name for name, kind in coverage.items() if kind == "example"}
    assert {name for name in stateless if routes[name].action not in {None, "create", "related", "list"}} == set()
    assert len(stateless) <= 3


@pytest.mark.parametrize("revision", REVISIONS)
async def test_a_list_and_a_write(package_of: Callable[[str], ModuleType], revision: str) -> None:
    """By the package's own functions on the shipped client: the first list, and the first create, that need no more than a body."""
    package = package_of(revision)
    async with (
        FakeKlaviyo(operations=package.operations, limits=False) as fake,
        Klaviyo("pk_1", base_url=fake.url) as klaviyo,
    ):
        world = fake._world
        done = {"GET": 0, "POST": 0}
        for operation in package.operations.values():
            route = world.router.routes[operation.name]
            needy = operation.path_parameters or operation.filter_requires
            needy = needy or any(each.required for each in operation.parameters)
            function = getattr(getattr(package.api, operation.tag), operation.name)
            if needy or fake.coverage()[operation.name] != "stateful":
                continue
            if operation.pagination is not None and operation.method == "GET":
                assert await function(klaviyo).collect(limit=100) is not None
                done["GET"] += 1
            elif route.action == "create" and operation.body is not None and operation.body.kind == "resource":
                try:
                    await function(klaviyo, example(world.schemas, str(route.facts.request), full=False))
                except APIError as error:
                    assert error.status in {400, 404, 409}  # noqa: PT017 - the documents' own examples aren't always right
                else:
                    done["POST"] += 1
        assert all(done.values()) or revision in LACKING, done
        assert {request.headers["revision"] for request in fake.requests} == {revision}
