"""What goes over the wire, and what comes back."""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from typing import Any

import aiohttp
import pytest

import klaviyo_async
from klaviyo_async import ConfigurationError, DecodeError, Klaviyo, NotFound, QueryError, RequestOptions
from tests.http.wire import PROFILE, PROFILES, Recorder
from tests.support.servers import RawServer, reply


async def test_a_get_carries_what_klaviyo_needs_and_nothing_else(server: RawServer, klaviyo: Klaviyo) -> None:
    server.plan(reply(200, PROFILE))
    await klaviyo.profiles.get_profile("01", fields={"profile": ["email"]})
    (request,) = server.requests
    assert (request.method, request.target.split("?")[0]) == ("GET", "/api/profiles/01")
    assert request.headers["authorization"] == "Klaviyo-API-Key pk_very_secret"
    assert request.headers["revision"] == klaviyo_async.REVISION
    assert request.headers["accept"] == "application/vnd.api+json"
    assert request.headers["user-agent"].startswith(f"klaviyo_async/{klaviyo_async.__version__}")
    assert "gzip" in request.headers["accept-encoding"]
    assert set(request.headers) == {"host", "authorization", "revision", "accept", "user-agent", "accept-encoding"}
    assert request.body == b""


async def test_a_write_is_json_api(server: RawServer, klaviyo: Klaviyo) -> None:
    server.plan(reply(201, PROFILE))
    created = await klaviyo.profiles.create_profile(email="sarah@example.com")
    (request,) = server.requests
    assert request.headers["content-type"] == "application/vnd.api+json"
    assert json.loads(request.body) == {"data": {"type": "profile", "attributes": {"email": "sarah@example.com"}}}
    assert created is not None
    assert created.data.attributes.email == "sarah@example.com"


async def test_the_target_is_sent_byte_for_byte(server: RawServer, klaviyo: Klaviyo) -> None:
    server.plan(reply(200, PROFILE))
    await klaviyo.profiles.get_profile("$custom:::$default:::A/B 1%2F?#")
    assert server.requests[0].target.split("/api/profiles/")[1].count("/") == 0
    assert "%252F" in server.requests[0].target
    assert "#" not in server.requests[0].target


async def test_http_tells_how_the_document_came(server: RawServer, klaviyo: Klaviyo) -> None:
    server.plan(reply(200, PROFILE, X_Klaviyo_Req_Id="abc", RateLimit_Remaining="74"))
    document = await klaviyo.profiles.get_profile("01")
    assert (document.http.status, document.http.request_id, document.http.attempts, document.http.waited) == (
        200,
        "abc",
        1,
        0.0,
    )
    assert document.http.headers["ratelimit-remaining"] == "74"
    assert document.http.headers["RateLimit-Remaining"] == "74"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_a_success_and_an_empty_one_is_none(server: RawServer, klaviyo: Klaviyo, status: int) -> None:
    server.plan(reply(status, content_type=None))
    assert await klaviyo.profiles.get_profile("01") is None
    assert await klaviyo.request("GET", "/api/anything") is None


async def test_a_success_without_declared_body_is_none(server: RawServer, klaviyo: Klaviyo) -> None:
    server.plan(reply(200, b'{"data": "not looked at"}'))
    assert await klaviyo.templates.delete_template("T") is None


@pytest.mark.parametrize(
    ("coding", "packed"),
    [("gzip", gzip.compress(PROFILES)), ("deflate", zlib.compress(PROFILES)), ("identity", PROFILES)],
)
async def test_packed_answers(server: RawServer, klaviyo: Klaviyo, coding: str, packed: bytes) -> None:
    server.plan(reply(200, packed, Content_Encoding=coding))
    page = await klaviyo.profiles.get_profiles()
    assert page.data[0].attributes.email == "sarah@example.com"


async def test_a_huge_answer(server: RawServer, klaviyo: Klaviyo) -> None:
    items = [{"type": "profile", "id": str(number), "attributes": {"email": "x" * 500}} for number in range(20_000)]
    server.plan(reply(200, json.dumps({"data": items}).encode()))
    page = await klaviyo.profiles.get_profiles()
    assert len(page.data) == 20_000
    assert page.data[-1].id == "19999"


async def test_a_chunked_answer(server: RawServer, klaviyo: Klaviyo) -> None:
    chunks = b"".join(b"%x\r\n%s\r\n" % (1, PROFILE[i : i + 1]) for i in range(len(PROFILE)))
    server.plan(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
    assert (await klaviyo.profiles.get_profile("01")).data.id == "01"


async def test_json_under_another_content_type_is_fine(server: RawServer, klaviyo: Klaviyo) -> None:
    server.plan(reply(200, PROFILE, content_type="text/html"))
    assert (await klaviyo.profiles.get_profile("01")).data.id == "01"


@pytest.mark.parametrize(
    "body", [b"<html>maintenance</html>", b'{"data": {', b"\xff\xfe\x00", b"[1]", b'"text"', b"nul"]
)
async def test_a_success_that_is_no_document(server: RawServer, klaviyo: Klaviyo, body: bytes) -> None:
    server.plan(reply(200, body, content_type="text/html", X_Klaviyo_Req_Id="r7"))
    with pytest.raises(DecodeError) as caught:
        await klaviyo.profiles.get_profile("01")
    error = caught.value
    assert (error.status, error.content_type, error.request_id, error.operation) == (
        200,
        "text/html",
        "r7",
        "get_profile",
    )
    assert error.body == body
    assert error.snippet[:5] in str(error) or repr(error.snippet) in str(error)


async def test_html_where_no_body_was_promised_is_not_a_success(server: RawServer, klaviyo: Klaviyo) -> None:
    server.plan(reply(200, b"<html>log in to the hotel wifi</html>", content_type="text/html"))
    with pytest.raises(DecodeError, match="hotel wifi"):
        await klaviyo.templates.delete_template("T")


async def test_an_errors_document_in_a_200_is_an_error(server: RawServer, klaviyo: Klaviyo) -> None:
    server.plan(reply(200, b'{"errors":[{"status":"404","code":"not_found","detail":"gone fishing"}]}'))
    with pytest.raises(NotFound, match="gone fishing"):
        await klaviyo.profiles.get_profile("01")
    with pytest.raises(NotFound, match="gone fishing"):
        await klaviyo.request("GET", "/api/whatever")


async def test_a_job_with_errors_of_its_own_is_a_success(server: RawServer, klaviyo: Klaviyo) -> None:
    server.plan(reply(200, b'{"errors":[{"detail":"x"}],"data":{"type":"profile","id":"1"}}'))
    assert (await klaviyo.profiles.get_profile("01")).data.id == "1"


class TestUpload:
    async def test_streams_a_form(self, server: RawServer, klaviyo: Klaviyo) -> None:
        server.plan(reply(201, b'{"data":{"type":"image","id":"9","attributes":{"name":"n"}}}'))
        content = b"\x89PNG\r\n\x1a\n" + bytes(300_000)
        document = await klaviyo.images.upload_image_from_file(file=content, name="n")
        (request,) = server.requests
        assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
        assert content in request.body
        assert document.data.id == "9"

    async def test_is_sent_whole_again_after_a_503(
        self, server: RawServer, klaviyo: Klaviyo, naps: list[float]
    ) -> None:
        server.plan(reply(503), reply(201, b'{"data":{"type":"image","id":"9"}}'))
        await klaviyo.images.upload_image_from_file(file=io.BytesIO(b"GIF8" + b"x" * 100_000))
        first, second = server.requests
        assert b"x" * 100_000 in first.body
        assert b"x" * 100_000 in second.body

    async def test_from_a_pipe_is_not_tried_again(self, server: RawServer, klaviyo: Klaviyo, naps: list[float]) -> None:
        class Pipe(io.RawIOBase):
            left = b"GIF8 once"

            def readable(self) -> bool:
                return True

            def read(self, size: int = -1) -> bytes:
                self.left, given = b"", self.left
                return given

            def tell(self) -> int:
                raise OSError("a pipe")

        server.plan(reply(503))
        with pytest.raises(klaviyo_async.ServerError):
            await klaviyo.images.upload_image_from_file(file=Pipe())
        assert len(server.requests) == 1
        assert naps == []


class TestClientSide:
    async def test_carries_the_company_and_never_the_key(self, server: RawServer) -> None:
        server.plan(reply(202, content_type=None))
        async with Klaviyo("pk_very_secret", company_id="AbC123", base_url=server.url, limiter=False) as klaviyo:
            await klaviyo.client.create_client_event(body={"data": {"type": "event", "attributes": {}}})
            await klaviyo.client.create_client_event(body={"data": {}}, company_id="XyZ789")
            await klaviyo.request("POST", "/client/something-new", json={"data": None})
            await klaviyo.request("POST", "/client/something-new?company_id=XyZ789", json={"data": None})
        for request, company in zip(server.requests, ("AbC123", "XyZ789", "AbC123", "XyZ789"), strict=True):
            assert request.target.endswith(f"?company_id={company}")
            assert "authorization" not in request.headers
            assert b"pk_very_secret" not in request.body

    async def test_without_a_company_says_where_to_give_one(self, klaviyo: Klaviyo, server: RawServer) -> None:
        with pytest.raises(QueryError, match=r"company_id is missing.*Klaviyo\(company_id="):
            await klaviyo.client.create_client_event(body={"data": {}})
        assert server.requests == []

    async def test_alone_needs_no_key_and_says_what_the_others_need(
        self, server: RawServer, recorder: Recorder
    ) -> None:
        server.plan(reply(202, content_type=None))
        async with Klaviyo(company_id="AbC123", base_url=server.url, limiter=recorder) as klaviyo:
            await klaviyo.client.create_client_event(body={"data": {}})
            with pytest.raises(ConfigurationError, match=r"get_profiles needs a private credential.*KLAVIYO_API_KEY"):
                await klaviyo.profiles.get_profiles()
        assert len(recorder.permits) == 1

    async def test_its_limits_are_the_companys(self, server: RawServer, recorder: Recorder) -> None:
        server.plan(reply(202, content_type=None))
        async with Klaviyo("pk_x", company_id="AbC123", base_url=server.url, limiter=recorder) as klaviyo:
            for company in ("AbC123", "XyZ789", "AbC123"):
                await klaviyo.client.create_client_event(body={"data": {}}, company_id=company)
        accounts = [asked["account"] for asked in recorder.asked]
        assert accounts[0] == accounts[2] != accounts[1]


class TestRequest:
    async def test_query_body_and_result(self, server: RawServer, klaviyo: Klaviyo) -> None:
        server.plan(reply(200, b'{"data": [1]}'))
        params = {
            "filter": 'equals(email,"a+b@x.com")',
            "page[size]": 3,
            "deep": True,
            "no": None,
            "fields": {"profile": ["a", "b"]},
        }
        assert await klaviyo.request("get", "/api/new-things/1", params=params) == {"data": [1]}
        (request,) = server.requests
        assert request.method == "GET"
        path, _, query = request.target.partition("?")
        assert path == "/api/new-things/1"
        assert "a%2Bb@x.com" in query or "a%2Bb%40x.com" in query
        assert "page%5Bsize%5D=3" in query
        assert "deep=true" in query
        assert "fields%5Bprofile%5D=a,b" in query or "fields%5Bprofile%5D=a%2Cb" in query
        assert "no=" not in query
        assert request.headers["authorization"] == "Klaviyo-API-Key pk_very_secret"

    async def test_sends_json_and_headers(self, server: RawServer, klaviyo: Klaviyo) -> None:
        server.plan(reply(204, content_type=None))
        options = RequestOptions(headers={"X-One": "1"})
        assert (
            await klaviyo.request("PATCH", "/api/x?y=1", json={"a": [1]}, headers={"X-Two": "2"}, options=options)
            is None
        )
        (request,) = server.requests
        assert json.loads(request.body) == {"a": [1]}
        assert request.target == "/api/x?y=1"
        assert (request.headers["x-one"], request.headers["x-two"]) == ("1", "2")
        assert request.headers["content-type"] == "application/vnd.api+json"

    async def test_its_headers_go_over_those_of_the_options(self, server: RawServer, klaviyo: Klaviyo) -> None:
        server.plan(reply(200, b"{}"))
        options = RequestOptions(headers={"X-One": "1", "X-Two": "1", "User-Agent": "options"})
        await klaviyo.request("GET", "/api/x", headers={"x-two": "2", "user-agent": "shop/1.0"}, options=options)
        (request,) = server.requests
        assert (request.headers["x-one"], request.headers["x-two"]) == ("1", "2")
        assert request.headers["user-agent"].startswith("shop/1.0 klaviyo_async/")
        assert request.headers["accept"] == "application/vnd.api+json"

    @pytest.mark.parametrize(
        ("headers", "problem"),
        [
            ({"Authorization": "Bearer very_secret"}, "headers: The header Authorization can't be set"),
            ({"X-Shop": "a\r\nX-Other: very_secret"}, "headers: The header X-Shop must be a str without line breaks"),
            ([("X-Shop", "a")], "headers: headers must be a mapping of names to values, not list"),
        ],
    )
    async def test_headers_that_cannot_be_sent_are_a_query_error(
        self, server: RawServer, klaviyo: Klaviyo, headers: Any, problem: str
    ) -> None:
        with pytest.raises(QueryError, match=re.escape(problem)) as caught:
            await klaviyo.request("GET", "/api/x", headers=headers)
        assert "very_secret" not in str(caught.value)
        assert not server.requests

    async def test_follows_an_absolute_url_on_its_own_origin_only(self, server: RawServer, klaviyo: Klaviyo) -> None:
        server.plan(reply(200, b"{}"))
        await klaviyo.request("GET", f"{server.url}/api/lists/?page%5Bcursor%5D=a%2Fb")
        assert server.requests[0].target == "/api/lists/?page%5Bcursor%5D=a%2Fb"
        for elsewhere in (
            "https://evil.example/api/lists",
            "http://127.0.0.1:1/api",
            server.url.replace("http://", "http://u:p@"),
        ):
            with pytest.raises(QueryError, match="not on this client's origin"):
                await klaviyo.request("GET", elsewhere)
        assert len(server.requests) == 1

    @pytest.mark.parametrize(
        ("method", "path", "match"),
        [
            ("FETCH", "/api/x", "not an HTTP method"),
            ("GET", "api/x", "start with a slash"),
            ("GET", "/api/x#y", "fragment"),
            ("GET", "//evil.example/api", "origin"),
            ("GET", "/api/../client/x", "contain . or"),
            ("GET", "/api/%2E%2e/client/x", "contain . or"),
        ],
    )
    async def test_what_cannot_be_sent(
        self, klaviyo: Klaviyo, server: RawServer, method: str, path: str, match: str
    ) -> None:
        with pytest.raises(QueryError, match=match):
            await klaviyo.request(method, path)
        assert server.requests == []

    async def test_json_that_is_none(self, klaviyo: Klaviyo) -> None:
        with pytest.raises(QueryError, match="body /a: a value of type object"):
            await klaviyo.request("POST", "/api/x", json={"a": object()})
        with pytest.raises(QueryError, match=r"a: expected .* got object"):
            await klaviyo.request("GET", "/api/x", params={"a": object()})

    async def test_a_known_path_has_the_limits_of_its_operation(
        self, server: RawServer, klaviyo: Klaviyo, recorder: Recorder
    ) -> None:
        server.plan(reply(200, b"{}"))
        await klaviyo.request("GET", "/api/profiles/01ABC")
        await klaviyo.request(
            "GET", "/api/profiles/", params={"additional-fields[profile]": "subscriptions,predictive_analytics"}
        )
        await klaviyo.request("GET", "/api/brand-new/7/things")
        await klaviyo.request("GET", "/api/brand-new/8")
        known, listed, unknown, same = recorder.asked
        assert known["operation"] == "get_profile"
        assert listed["operation"] == "get_profiles"
        assert [limit.value for limit in listed["triggered"]] == ["predictive_analytics"]
        assert unknown["operation"] == same["operation"] == "GET /api/brand-new"


async def test_a_revision_for_one_call(server: RawServer, klaviyo: Klaviyo) -> None:
    server.plan(reply(200, PROFILE))
    await klaviyo.profiles.get_profile("01", options=RequestOptions(revision="2026-07-15.pre"))
    await klaviyo.profiles.get_profile("01")
    assert [request.headers["revision"] for request in server.requests] == ["2026-07-15.pre", klaviyo_async.REVISION]


async def test_a_retired_revision_is_reported_once(
    server: RawServer, klaviyo: Klaviyo, caplog: pytest.LogCaptureFixture
) -> None:
    server.plan(reply(200, PROFILE, X_Klaviyo_Api_Revision="2027-01-15"))
    await klaviyo.profiles.get_profile("01")
    await klaviyo.profiles.get_profile("01")
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        (
            f"Klaviyo serves revision 2027-01-15 instead of {klaviyo_async.REVISION}, which it has retired: responses may have"
            " other fields. Upgrade klaviyo_async."
        )
    ]


async def test_connections_are_kept(server: RawServer, klaviyo: Klaviyo) -> None:
    server.plan(reply(200, PROFILE))
    for _ in range(5):
        await klaviyo.profiles.get_profile("01")
    assert len(server.connections) == 1


async def test_the_callers_own_session_is_used_and_left_open(server: RawServer) -> None:
    server.plan(reply(200, PROFILE))
    async with aiohttp.ClientSession(
        headers={"X-Mine": "yes"}, raise_for_status=True, auto_decompress=False
    ) as session:
        async with Klaviyo("pk_x", base_url=server.url, session=session, limiter=False) as klaviyo:
            await klaviyo.profiles.get_profile("01")
            server.plan(reply(404, b"{}"))
            with pytest.raises(NotFound):
                await klaviyo.profiles.get_profile("01")
        assert not session.closed
    assert server.requests[0].headers["x-mine"] == "yes"
    assert server.requests[0].headers["authorization"] == "Klaviyo-API-Key pk_x"
