"""All operations on a real loopback server: what they send is what the documents say, and what comes back is decoded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

import jsonschema_rs
import pytest

from codegen.generating.text.fake_data import convert
from klaviyo_async import REVISION, Klaviyo, api, models, operations
from tests.operations.conftest import KEY
from tests.operations.expected import NAMES, Call, Spec, spec_of
from tests.support.synthesis import Synthesiser, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.servers import RawServer, Received

pytestmark = pytest.mark.asyncio(loop_scope="module")
BODIES = [name for name in NAMES if spec_of(name).body_kind not in {None, "multipart"}]
IMAGE = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def ways(klaviyo: Klaviyo, spec: Spec) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The two ways to call an operation."""
    function = getattr(getattr(api, spec.tag), spec.name)

    def of_module(*arguments: Any, **keywords: Any) -> Any:
        return function(klaviyo, *arguments, **keywords)

    return getattr(getattr(klaviyo, spec.tag), spec.name), of_module


def check_request(request: Received, spec: Spec, call: Call) -> None:
    """Method, path, query and headers of a request."""
    assert request.method == spec.method.upper()
    path, _, query = request.target.partition("?")
    # Each id is one segment, however it looks.
    parts, template = path.split("/"), spec.path.split("/")
    assert len(parts) == len(template)
    ids = iter(call.path)
    for part, expected in zip(parts, template, strict=True):
        assert unquote(part) == (next(ids) if expected.startswith("{") else expected)
    assert re.fullmatch(r"[A-Za-z0-9/%._~$:@-]+", path), path
    assert re.fullmatch(r"[A-Za-z0-9%._~=&,-]*", query), query
    pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    assert dict(pairs) == call.query
    assert len(pairs) == len(call.query)
    if spec.public:
        assert KEY.encode() not in request.raw
        assert "authorization" not in request.headers
        assert "company_id" in call.query
    else:
        assert request.headers["authorization"] == f"Klaviyo-API-Key {KEY}"
    assert request.headers["revision"] == REVISION
    for name, text in call.headers.items():
        assert request.headers[name.lower()] == text
    if spec.media is None:
        assert "content-type" not in request.headers
        assert request.body == b""
    else:
        assert request.headers["content-type"].partition(";")[0] == spec.media


def check_body(synthesiser: Synthesiser, spec: Spec, document: Any) -> None:
    """A body against the request schema of the document."""
    validator = validators.get(spec.name)
    if validator is None:
        # The schemas are thousands: convert them once.
        if not converted:
            converted.update({name: convert(schema) for name, schema in synthesiser.schemas.items()})
        schema = {"$ref": f"#/$defs/{spec.body_name}", "$defs": converted}
        validator = validators[spec.name] = jsonschema_rs.Draft202012Validator(schema)
    errors = [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(document)]
    assert errors == []


converted: dict[str, Any] = {}
validators: dict[str, Any] = {}


def answer_of(synthesiser: Synthesiser, spec: Spec, turn: int) -> Any:
    """A success document, the last page of its list."""
    name = spec.success[1]
    if name is None:
        return None
    answer = plain(synthesiser.component(name, turn, depth=3))
    if isinstance(answer.get("links"), dict):
        answer["links"]["next"] = None
    return answer


@pytest.mark.parametrize("name", NAMES)
async def test_calls(name: str, klaviyo: Klaviyo, recorder: RawServer, synthesiser: Synthesiser) -> None:
    """With all arguments and with the required ones only, on the client and as a function."""
    spec = spec_of(name)
    status, declared = spec.success
    for full in (True, False):
        call = spec.call(full=full)
        write = spec.write(synthesiser, full=full, path=call.path)
        for way in ways(klaviyo, spec):
            answer = answer_of(synthesiser, spec, int(full))
            recorder.always(status, answer)
            keywords: dict[str, Any] = dict(call.params)
            positional: tuple[Any, ...] = call.path
            if write is not None and write.keywords is not None:
                keywords |= write.keywords
            elif write is not None:
                positional = (*call.path, write.bodies[0])
            elif spec.body_kind == "multipart":
                keywords |= {"file": IMAGE, **({"name": "ä.png", "hidden": True} if full else {})}
            result = await way(*positional, **keywords)

            (request,) = recorder.requests
            check_request(request, spec, call)
            if write is not None:
                assert request.json == write.document
                check_body(synthesiser, spec, request.json)
            elif spec.body_kind == "multipart":
                assert IMAGE in request.body
                assert ("ä.png".encode() in request.body) is full
            if declared is None:
                assert result is None
            else:
                assert type(result) is getattr(models, declared)
                assert result.to_dict() == answer
                assert (result.http.status, result.http.attempts) == (status, 1)


@pytest.mark.parametrize("name", BODIES)
async def test_bodies_in_every_form(name: str, klaviyo: Klaviyo, recorder: RawServer, synthesiser: Synthesiser) -> None:
    """As a mapping, as the generated model, as ids: the same on the wire."""
    spec = spec_of(name)
    bound, _ = ways(klaviyo, spec)
    for full in (True, False):
        call = spec.call(full=False)
        write = spec.write(synthesiser, full=full, path=call.path)
        assert write is not None
        cls = getattr(models, str(spec.body_name))
        for body in (*write.bodies, cls.from_dict(write.document)):
            for keyword in (False, True):
                recorder.always(spec.success[0], None)
                if keyword:
                    await bound(*call.path, body=body, **call.params)
                else:
                    await bound(*call.path, body, **call.params)
                assert recorder.requests[-1].json == write.document
        # Read through, a model sends the same.
        model = cls.from_dict(write.document)
        _ = repr(model)
        recorder.always(spec.success[0], None)
        await bound(*call.path, model, **call.params)
        assert recorder.requests[-1].json == write.document


@pytest.mark.parametrize("name", BODIES)
async def test_what_a_body_needs(name: str, klaviyo: Klaviyo, recorder: RawServer, synthesiser: Synthesiser) -> None:
    """Nothing is sent without what is required, or with a body and keywords at once."""
    spec = spec_of(name)
    bound, _ = ways(klaviyo, spec)
    call = spec.call(full=False)
    write = spec.write(synthesiser, full=False, path=call.path)
    assert write is not None
    recorder.always(spec.success[0], None)

    async def refused(*arguments: Any, **keywords: Any) -> str:
        with pytest.raises(TypeError) as caught:
            await bound(*call.path, *arguments, **call.params, **keywords)
        return str(caught.value)

    if write.keywords is None:
        await refused()
    else:
        for missing in sorted(spec.required_keywords):
            others = {key: value for key, value in write.keywords.items() if key != missing}
            assert missing in await refused(**others)
        for key, value in write.keywords.items():
            await refused(write.document, **{key: value})
        await refused(no_such_keyword=1, **write.keywords)
    assert recorder.requests == []


@pytest.mark.parametrize("name", [name for name in NAMES if spec_of(name).path_names])
async def test_ids_cannot_leave_their_segment(name: str, klaviyo: Klaviyo, recorder: RawServer) -> None:
    spec = spec_of(name)
    bound, _ = ways(klaviyo, spec)
    recorder.always(spec.success[0], None)
    call = spec.call(full=False)
    body: dict[str, Any] = {} if spec.media is None else {"body": {"data": []}}
    for bad in ("", ".", ".."):
        for index in range(len(call.path)):
            path = [*call.path]
            path[index] = bad
            with pytest.raises(ValueError, match="id"):
                await bound(*path, **body, **call.params)
    assert recorder.requests == []


async def test_the_company_id_of_a_call_beats_that_of_the_client(klaviyo: Klaviyo, recorder: RawServer) -> None:
    recorder.always(200, None)
    await klaviyo.client.get_client_geofences()
    await klaviyo.client.get_client_geofences(company_id="OTHER1")
    assert [request.target.partition("?")[2] for request in recorder.requests] == [
        "company_id=COMPA1",
        "company_id=OTHER1",
    ]


async def test_every_spec_has_its_operation() -> None:
    assert set(NAMES) == set(operations)
    assert len(NAMES) > 300
    assert len(BODIES) > 100
