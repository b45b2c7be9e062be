"""docs/contract.md, section 2: operations."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from aiohttp import web

import klaviyo_async
from klaviyo_async import F, Klaviyo, KlaviyoError, QueryError, RequestOptions, operations
from tests.support.servers import WebServer, document

if TYPE_CHECKING:
    from klaviyo_async.testing import FakeKlaviyo

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000a49444154789c6360000000020001e221bc330000000049454e44ae426082"
)


def test_every_operation_is_found_twice_under_its_operation_id() -> None:
    klaviyo = Klaviyo("pk_1")
    for name, operation in operations.items():
        bound = getattr(getattr(klaviyo, operation.tag), name)
        function = getattr(getattr(klaviyo_async.api, operation.tag), name)
        assert bound.__func__ is function, name
        assert function.__name__ == name
        assert function.__doc__, name


def test_tags_are_snake_case() -> None:
    tags = {operation.tag for operation in operations.values()}
    assert {"custom_objects", "data_privacy", "web_feeds", "tracking_settings", "client"} <= tags
    assert len(tags) > 18
    assert all(tag == tag.lower() and tag.isidentifier() for tag in tags)
    for tag in tags:
        assert tag in dir(Klaviyo("pk_1"))


async def test_the_function_itself(fake: FakeKlaviyo, klaviyo: Klaviyo) -> None:
    fake.seed(items=2)
    by_method = await klaviyo.catalogs.get_catalog_items()
    by_function = await klaviyo_async.api.catalogs.get_catalog_items(klaviyo)
    assert by_method == by_function
    assert len(by_method.data) == 2


def test_aliases_are_the_same_function_and_a_real_operation_wins() -> None:
    klaviyo = Klaviyo("pk_1")
    aliases = 0
    for name, operation in operations.items():
        for alias in operation.aliases:
            aliases += 1
            assert alias not in operations or operations[alias].name == alias
            found = getattr(getattr(klaviyo, operation.tag), alias)
            if alias not in operations:
                assert found.__func__ is getattr(getattr(klaviyo_async.api, operation.tag), name), alias
    assert aliases > 200


@pytest.mark.parametrize("name", sorted(operations))
def test_signatures_have_path_then_body_then_keywords(name: str) -> None:
    operation = operations[name]
    function = getattr(getattr(klaviyo_async.api, operation.tag), name)
    parameters = list(inspect.signature(function).parameters.values())[1:]
    path = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    positional = [parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    only = [parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_ONLY]
    assert len(only) + len(positional) >= len(path)
    assert (only + positional)[: len(path)] == path
    assert [part for part in (only + positional)[len(path) :] if part != "body"] == []
    keywords = {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
    assert "options" in keywords
    assert "revision" not in keywords
    for keyword in ("filter", "sort", "include", "fields", "additional_fields", "page_size", "page_cursor"):
        if any(known.name == keyword for known in operation.parameters):
            assert keyword in keywords


def test_positional_keywords_are_refused() -> None:
    klaviyo = Klaviyo("pk_1")
    with pytest.raises(TypeError):
        klaviyo.profiles.get_profiles('equals(email,"a")')  # type: ignore[misc]
    with pytest.raises(TypeError):
        klaviyo.profiles.get_profiles(revision="2026-01-15")  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        klaviyo.profiles.get_profiles(nonsense=1)  # type: ignore[call-arg]


async def test_fieldsets_on_the_wire(server: WebServer, client: Klaviyo) -> None:
    server.handler = lambda _: {"data": {"type": "profile", "id": "1", "attributes": {}}}
    await client.profiles.get_profile(
        "1",
        fields={"profile": ["email"], "push-token": ["token"]},
        additional_fields={"profile": ["subscriptions", "predictive_analytics"]},
        include=["lists", "push-tokens"],
    )
    query = dict(server.requests[0].query)
    assert query == {
        "fields[profile]": "email",
        "fields[push-token]": "token",
        "additional-fields[profile]": "subscriptions,predictive_analytics",
        "include": "lists,push-tokens",
    }


async def test_paths_are_encoded(server: WebServer, client: Klaviyo) -> None:
    server.handler = lambda _: {"data": {"type": "catalog-item", "id": "1", "attributes": {}}}
    for id_ in ("$custom:::$default:::SKU 1", "a/b", "a?b#c", "é", "100%", "a%2Fb", ";", "+"):
        await client.catalogs.get_catalog_item(id_)
        request = server.requests[-1]
        raw = request.target.partition("?")[0]
        assert raw.count("/") == 3, raw
        assert unquote(raw.rsplit("/", 1)[1]) == id_
        assert not request.raw_query


@pytest.mark.parametrize("id_", ["", ".", "..", None, True, b"x", ["x"]])
async def test_ids_that_would_be_another_path_are_refused(server: WebServer, client: Klaviyo, id_: Any) -> None:
    with pytest.raises((QueryError, TypeError)):
        await client.profiles.get_profile(id_)
    assert not server.requests


async def test_any_2xx_is_success_and_no_body_is_none(server: WebServer, client: Klaviyo) -> None:
    good = {"data": {"type": "template", "id": "1", "attributes": {"name": "x"}}}
    for status in (200, 201, 202, 203):
        server.handler = lambda _, status=status: document(good, status)
        made = await client.templates.clone_template(id="1", name="x")
        assert made.data.id == "1"
        assert made.http.status == status
    for status in (200, 202, 204):
        server.handler = lambda _, status=status: web.Response(status=status)
        assert await client.templates.clone_template(id="1", name="x") is None
        assert await client.templates.delete_template("1") is None


async def test_http_of_a_document(server: WebServer, client: Klaviyo) -> None:
    server.handler = lambda _: document(
        {"data": []}, x_klaviyo_req_id="req-1", RateLimit_Limit="75, 75;w=1, 750;w=60", X_Thing="1"
    )
    page = await client.profiles.get_profiles()
    assert page.http.status == 200
    assert page.http.request_id == "req-1"
    assert page.http.attempts == 1
    assert page.http.waited >= 0
    assert page.http.headers["x-thing"] == "1"
    assert page.http.headers["X-Thing"] == "1"
    assert page.http.headers["ratelimit-limit"].startswith("75")


def test_signatures_are_typed() -> None:
    package = Path(klaviyo_async.__file__).parent
    assert (package / "py.typed").exists()
    for name, operation in operations.items():
        function = getattr(getattr(klaviyo_async.api, operation.tag), name)
        annotations = function.__annotations__
        assert "return" in annotations, name
        assert annotations["return"] != "Any", name


# -- the table ----------------------------------------------------------------------------------------------------------


def test_operations_is_a_mapping_of_all() -> None:
    assert isinstance(operations, Mapping)
    assert len(operations) == len(list(operations)) == len(set(operations)) > 300
    assert "get_profiles" in operations
    assert "no_such" not in operations
    assert operations.get("no_such") is None
    with pytest.raises(KeyError):
        operations["no_such"]
    with pytest.raises(TypeError):
        operations["x"] = operations["get_profiles"]  # type: ignore[index]
    assert klaviyo_async.operations is operations


def test_an_operation_tells_of_itself() -> None:
    operation = operations["get_profiles"]
    assert operation.name == "get_profiles"
    assert operation.method == "GET"
    assert operation.path == "/api/profiles"
    assert operation.tag == "profiles"
    assert operation.scopes == ("profiles:read",)
    assert operation.limits.burst == "75/s"
    assert operation.limits.steady == "750/m"
    assert operation.limits.daily is None
    (extra,) = operation.limits.by_parameter
    assert (extra.parameter, extra.value) == ("additional-fields[profile]", "predictive_analytics")
    assert tuple(extra.rates) == ("10/s", "150/m")
    assert set(operation.filters["email"].operators) == {"equals", "any"}
    assert "-created" in operation.sort
    assert set(operation.include) <= {"conversation", "push-tokens", "lists", "segments", "conversations"}
    assert "email" in operation.fields["profile"]
    assert operation.page_size is not None
    assert (operation.page_size.default, operation.page_size.maximum) == (20, 100)
    assert operation.safe_to_repeat is True
    assert operation.reference.startswith("https://developers.klaviyo.com/")
    assert operation.reference.endswith("get_profiles")
    with pytest.raises((AttributeError, TypeError)):
        operation.name = "x"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "burst", "steady", "daily"),
    [
        ("query_campaign_values", "1/s", "2/m", "225/d"),
        ("query_form_series", "1/s", "2/m", "225/d"),
        ("create_flow", None, None, "100/d"),
        ("create_segment", None, None, "100/d"),
        ("update_segment", None, None, "100/d"),
        ("upload_image_from_url", None, None, "100/d"),
        ("upload_image_from_file", None, None, "500/d"),
        ("create_list", None, None, "150/d"),
        ("update_mapped_metric", None, None, "30/d"),
        ("create_custom_metric", None, None, "15/d"),
        ("bulk_create_data_source_records", "3/s", "15/m", None),
        ("create_client_push_token", "150/s", "1400/m", None),
        ("create_client_subscription", "350/s", "750/m", None),
    ],
)
def test_limits_of_outliers(name: str, burst: str | None, steady: str | None, daily: str | None) -> None:
    limits = operations[name].limits
    assert limits.daily == daily
    assert burst is None or limits.burst == burst
    assert steady is None or limits.steady == steady


@pytest.mark.parametrize(
    ("name", "parameter", "value", "rates"),
    [
        ("get_profiles_for_list", "additional-fields[profile]", "predictive_analytics", ("10/s", "150/m")),
        ("get_profile", "include", "lists", ("1/s", "15/m")),
        ("get_profile", "include", "segments", ("1/s", "15/m")),
        ("get_list", "additional-fields[list]", "profile_count", ("1/s", "15/m")),
        ("get_segment", "additional-fields[segment]", "profile_count", ("1/s", "15/m")),
    ],
)
def test_parameter_dependent_limits(name: str, parameter: str, value: str, rates: tuple[str, ...]) -> None:
    found = {(one.parameter, one.value): tuple(one.rates) for one in operations[name].limits.by_parameter}
    assert found[parameter, value] == rates


@pytest.mark.parametrize(
    ("name", "rows", "size"),
    [
        ("bulk_import_profiles", 10_000, 5_000_000),
        ("bulk_subscribe_profiles", 1_000, None),
        ("bulk_unsubscribe_profiles", 100, None),
        ("bulk_suppress_profiles", 100, None),
        ("bulk_create_events", 1_000, 5_000_000),
        ("bulk_create_client_events", 1_000, None),
        ("bulk_create_catalog_items", 100, 5_000_000),
        ("bulk_create_coupon_codes", 1_000, None),
        ("bulk_create_data_source_records", 500, 4_000_000),
        ("add_profiles_to_list", 1_000, None),
        ("remove_profiles_from_list", 1_000, None),
    ],
)
def test_caps(name: str, rows: int, size: int | None) -> None:
    caps = operations[name].caps
    assert caps.rows == rows
    if size is not None:
        assert caps.bytes == size


def test_safe_to_repeat() -> None:
    safe = {name for name, operation in operations.items() if operation.safe_to_repeat is True}
    for name, operation in operations.items():
        if operation.method in {"GET", "DELETE", "PATCH"}:
            assert name in safe or name == "cancel_campaign_send", name
    assert {"add_profiles_to_list", "remove_profiles_from_list", "create_or_update_profile"} <= safe
    assert "add_items_to_catalog_category" in safe
    for name in (
        "send_campaign",
        "create_profile",
        "create_campaign",
        "create_list",
        "clone_template",
        "merge_profiles",
    ):
        assert name not in safe, name


def test_the_table_loads_no_models(fresh: Callable[..., str]) -> None:
    printed = fresh(
        "import sys\nfrom klaviyo_async import operations\n"
        "for name, operation in operations.items():\n"
        "    assert operation.name == name and operation.limits.burst and operation.reference\n"
        "print(*(n for n in sys.modules if n.startswith(('klaviyo_async.models', 'klaviyo_async.api', 'aiohttp'))))"
    )
    assert printed.strip() == ""


def test_the_top_level_has_what_the_contract_names() -> None:
    names = [
        "Klaviyo",
        "RequestOptions",
        "F",
        "Filter",
        "Fields",
        "UNSET",
        "ApiKey",
        "OAuth",
        "LocalLimiter",
        "RedisLimiter",
        "REVISION",
        "operations",
        "preload",
        "KlaviyoError",
        "ConfigurationError",
        "QueryError",
        "PaginationError",
        "WebhookSignatureError",
        "DecodeError",
        "TransportError",
        "RequestTimeout",
        "ConnectionFailed",
        "RateLimitWait",
        "APIError",
        "BadRequest",
        "Unauthorized",
        "Forbidden",
        "NotFound",
        "Conflict",
        "Gone",
        "PayloadTooLarge",
        "RateLimited",
        "ServerError",
    ]
    for name in names:
        assert hasattr(klaviyo_async, name), name
        assert name in klaviyo_async.__all__, name
        assert name in dir(klaviyo_async), name


# -- files --------------------------------------------------------------------------------------------------------------


async def test_a_file_by_path_bytes_and_object(fake: FakeKlaviyo, klaviyo: Klaviyo, tmp_path: Path) -> None:
    picture = tmp_path / "a picture.png"
    picture.write_bytes(PNG)
    by_path = await klaviyo.images.upload_image_from_file(file=picture)
    by_text = await klaviyo.images.upload_image_from_file(file=str(picture), hidden=True)
    by_bytes = await klaviyo.images.upload_image_from_file(file=PNG, name="bytes")
    with picture.open("rb") as opened:
        by_object = await klaviyo.images.upload_image_from_file(file=opened, name="object", hidden=False)
    by_memory = await klaviyo.images.upload_image_from_file(file=io.BytesIO(PNG), name="memory")
    made = [by_path, by_text, by_bytes, by_object, by_memory]
    assert all(one.data.type == "image" for one in made)
    assert [one.data.attributes.name for one in made[2:]] == ["bytes", "object", "memory"]
    assert by_text.data.attributes.hidden is True
    listed = await klaviyo.images.get_images().collect()
    assert len(listed) == 5


async def test_what_a_file_is_on_the_wire(server: WebServer, client: Klaviyo, tmp_path: Path) -> None:
    server.handler = lambda _: document({"data": {"type": "image", "id": "1", "attributes": {}}}, 201)
    await client.images.upload_image_from_file(file=PNG, name='qu"ote', hidden=False)
    body = server.requests[0].body
    assert server.requests[0].headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert PNG in body
    assert b"false" in body
    assert b"hidden" in body
    await client.images.upload_image_from_file(file=PNG, name="plain")
    assert b"hidden" not in server.requests[1].body


async def test_a_large_file_is_streamed_and_resent_on_retry(
    server: WebServer, client: Klaviyo, tmp_path: Path, naps: list[float]
) -> None:
    large = tmp_path / "large.png"
    large.write_bytes(PNG + bytes(900_000))
    answers = [201, 429]

    def handler(_: web.BaseRequest) -> web.Response:
        status = answers.pop()
        return document({"data": {"type": "image", "id": "1", "attributes": {}}} if status == 201 else {}, status)

    server.handler = handler
    await client.images.upload_image_from_file(file=large)
    assert len(server.requests) == 2
    assert len(server.requests[0].body) == len(server.requests[1].body) > 900_000


async def test_a_file_that_is_not_there(server: WebServer, client: Klaviyo, tmp_path: Path) -> None:
    with pytest.raises((KlaviyoError, OSError)) as caught:
        await client.images.upload_image_from_file(file=tmp_path / "none.png")
    assert "none.png" in str(caught.value)
    with pytest.raises((QueryError, TypeError)):
        await client.images.upload_image_from_file(file=5)  # type: ignore[arg-type]
    with pytest.raises((QueryError, TypeError)):
        await client.images.upload_image_from_file()  # type: ignore[call-arg]
    assert not server.requests


async def test_header_filters_are_arguments(server: WebServer) -> None:
    if "get_client_geofences" not in operations:
        pytest.fail("the operation with the header filter is gone: choose another")
    async with Klaviyo(company_id="AbC123", base_url=server.url) as klaviyo:
        await klaviyo.client.get_client_geofences(filter=(F("lat") == 1.5) & (F("lng") == 2))
    assert server.requests[0].headers["X-Klaviyo-API-Filters"] == "and(equals(lat,1.5),equals(lng,2))"


async def test_options_is_checked() -> None:
    with pytest.raises(KlaviyoError):
        RequestOptions(priority="urgent")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        RequestOptions(5)  # type: ignore[misc]


def test_pages_and_coroutines() -> None:
    """List operations give pages at once; all the rest are coroutine functions."""
    klaviyo = Klaviyo("pk_1")
    pages = klaviyo.profiles.get_profiles()
    assert not inspect.iscoroutine(pages)
    pages.close()
    assert inspect.iscoroutinefunction(klaviyo.profiles.get_profile)
    assert inspect.iscoroutinefunction(klaviyo.events.create_event)
