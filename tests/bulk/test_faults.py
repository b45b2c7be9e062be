"""What goes wrong on the way: every row still ends in exactly one state."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_async import APIError, BadRequest, KlaviyoError, ServerError, TransportError
from klaviyo_async._retry import BASE
from klaviyo_async.bulk._import import run as run_module

if TYPE_CHECKING:
    from collections.abc import Iterator

    from klaviyo_async import Klaviyo
    from klaviyo_async.bulk import Report
    from klaviyo_async.testing import FakeKlaviyo

ON = {"email": {"marketing": {"consent": "SUBSCRIBED"}}}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    assert BASE > 0
    monkeypatch.setattr("klaviyo_async._retry.BASE", 0.001)


def people(count: int) -> list[dict[str, Any]]:
    return [{"email": f"p{number}@x.com"} for number in range(count)]


def adds_up(report: Report) -> bool:
    return report.submitted == report.succeeded + report.failed + len(report.unknown)


def refusal(*pointers: str, status: int = 400, detail: str = "No.") -> dict[str, Any]:
    return {
        "errors": [
            {
                "id": "1",
                "status": status,
                "code": "invalid",
                "title": "No",
                "detail": detail,
                "source": {"pointer": each},
            }
            for each in pointers
        ]
    }


def sent(fake: FakeKlaviyo, operation: str = "bulk_import_profiles") -> list[list[str]]:
    return [
        [row["attributes"]["email"] for row in request.body["data"]["attributes"]["profiles"]["data"]]
        for request in fake.requests
        if request.operation == operation
    ]


@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 429, "retry_after": 0}, {"reset": True}])
async def test_what_was_not_taken_is_sent_again(klaviyo: Klaviyo, fake: FakeKlaviyo, fault: dict[str, Any]) -> None:
    fake.fail("bulk_import_profiles", times=2, **fault)
    report = await klaviyo.bulk.import_profiles(people(5))
    assert report.ok
    assert report.requests == 3


async def test_a_response_lost_after_it_was_taken(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    fake.fail("bulk_import_profiles", reset=True, processed=True)
    assert (await klaviyo.bulk.import_profiles(people(5))).ok
    # Subscribing writes to people: it is not sent twice, and nobody knows whether it was taken.
    fake.fail("bulk_subscribe_profiles", reset=True, processed=True)
    report = await klaviyo.bulk.subscribe_profiles({**row, "subscriptions": ON} for row in people(500))
    assert (report.submitted, report.succeeded, len(report.unknown)) == (500, 0, 500)
    assert adds_up(report)
    assert report.unknown[7].row == 7
    assert report.unknown[7].id == "p7@x.com"
    assert not report.unknown[7].resent
    assert report.unknown[7].detail
    assert len(sent(fake, "bulk_subscribe_profiles")) == 1


async def test_a_server_error_leaves_the_fate_of_unsafe_rows_open(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    fake.fail("bulk_subscribe_profiles", status=500)
    report = await klaviyo.bulk.subscribe_profiles({**row, "subscriptions": ON} for row in people(1001))
    # Which of the two requests it was is a matter of chance.
    assert sorted([report.succeeded, len(report.unknown)]) == [1, 1000]


async def test_one_unknown_batch_after_the_other_ends_the_run(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    fake.fail("bulk_subscribe_profiles", status=500, times=None)
    with pytest.raises(ServerError) as caught:
        await klaviyo.bulk.subscribe_profiles({**row, "subscriptions": ON} for row in people(100_000))
    report = caught.value.report
    assert report.submitted == len(report.unknown) < 100_000
    assert report.errors == []


async def test_a_server_that_is_gone_ends_the_run(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    client = klaviyo.with_options(max_retries=1)
    fake.fail("bulk_import_profiles", status=503, times=None)
    with pytest.raises(ServerError) as caught:
        await client.bulk.import_profiles(people(50_000))
    assert caught.value.report.submitted == 0
    await fake.stop()
    with pytest.raises(TransportError) as gone:
        await client.bulk.import_profiles(people(50_000))
    assert gone.value.report.submitted == 0


async def test_refused_rows_are_taken_out_by_their_pointers(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    rows = [{**row, "subscriptions": ON} for row in people(8)]
    rows[2]["email"] = "nonsense"
    rows[5]["email"] = "more nonsense"
    report = await klaviyo.bulk.subscribe_profiles(rows)
    assert (report.submitted, report.succeeded, report.failed) == (8, 6, 2)
    assert [(error.row, error.id, error.code) for error in report.errors] == [
        (2, "nonsense", "invalid"),
        (5, "more nonsense", "invalid"),
    ]
    assert report.errors[0].pointer is not None
    assert report.errors[0].pointer.startswith("/attributes")
    assert len(sent(fake, "bulk_subscribe_profiles")) == 3


async def test_a_refusal_that_names_nobody_is_halved(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    """The server refuses whatever has number 11 or 37 in it, without a word about whom."""
    bad = {"p11@x.com", "p37@x.com"}
    original = klaviyo._session.settings

    async def refuse(request: Any, call_next: Any) -> Any:
        if request.operation.name == "bulk_import_profiles" and any(email.encode() in request.body for email in bad):
            response = await call_next(request.replace(body=b"{}"))
            assert response.status == 400
            return response.replace(body=b'{"errors":[{"code":"invalid","detail":"No."}]}')
        return await call_next(request)

    client = klaviyo.with_options()
    client._session = client._session.with_settings(_evolved(original, refuse))
    report = await client.bulk.import_profiles(people(64))
    assert (report.succeeded, report.failed) == (62, 2)
    assert [(error.row, error.id, error.detail) for error in report.errors] == [
        (11, "p11@x.com", "No."),
        (37, "p37@x.com", "No."),
    ]
    assert report.requests <= 26


def _evolved(settings: Any, middleware: Any) -> Any:
    from attrs import evolve  # noqa: PLC0415

    return evolve(settings, middlewares=(middleware,))


async def test_a_server_that_refuses_everything_is_not_asked_row_by_row(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    fake.fail("bulk_import_profiles", status=400, body=refusal("/data"), times=None)
    with pytest.raises(BadRequest) as caught:
        await klaviyo.bulk.import_profiles(people(10_000))
    assert len(fake.requests) < 30
    report = caught.value.report
    assert report.failed == 3
    assert adds_up(report)


async def test_an_error_beside_the_rows_is_not_theirs(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    fake.fail("bulk_import_profiles", status=400, body=refusal("/data/relationships/lists/data/0"))
    with pytest.raises(BadRequest):
        await klaviyo.bulk.import_profiles(people(10), lists=["L"])
    assert len(fake.requests) == 1


async def test_too_many_jobs_under_way(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    detail = "There are 500 jobs in progress already, the maximum is 500."
    fake.fail("bulk_create_catalog_items", status=400, body=refusal("/data", detail=detail), times=3)
    rows: list[dict[str, Any]] = [
        {"external_id": str(n), "title": "t", "description": "d", "url": "https://x.com"} for n in range(3)
    ]
    report = await klaviyo.bulk.create_catalog_items(rows)
    assert report.ok
    assert report.requests == 4


async def test_never_more_jobs_than_allowed(
    klaviyo: Klaviyo, fake: FakeKlaviyo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "MOST_BATCHES", 3)
    fake._world.jobs.seconds = 0.2
    under_way: list[int] = []
    submit = type(fake._world.jobs).submit

    def counted(jobs: Any, *args: Any, **kwargs: Any) -> Any:
        under_way.append(sum(1 for entry in jobs._due if entry[4] == "complete"))
        return submit(jobs, *args, **kwargs)

    monkeypatch.setattr(type(fake._world.jobs), "submit", counted)
    rows: Iterator[dict[str, Any]] = (
        {"external_id": str(n), "title": "t", "description": "d", "url": "https://x.com"} for n in range(1200)
    )
    report = await klaviyo.bulk.create_catalog_items(rows)
    assert report.ok
    assert len(under_way) == 12
    assert max(under_way) <= 2  # others, when one more is submitted


def job(status: str, **attributes: Any) -> dict[str, Any]:
    return {"data": {"type": "profile-bulk-import-job", "id": "J", "attributes": {"status": status, **attributes}}}


@pytest.mark.parametrize(
    ("document", "succeeded", "failed", "unknown"),
    [
        (job("cancelled", completed_count=0, failed_count=0), 0, 5, 0),
        (job("cancelled", completed_count=None, failed_count=None), 0, 5, 0),
        (job("cancelled", completed_count=2, failed_count=0), 0, 0, 5),
        (job("failed"), 0, 5, 0),
        (job("failed", completed_count=2, failed_count=0), 0, 0, 5),
        (job("expired", completed_count=0, failed_count=0), 0, 5, 0),
        (job("complete", completed_count=0, failed_count=5), 0, 5, 0),
        (job("complete", completed_count=3, failed_count=2), 0, 0, 5),
        (job("complete", completed_count=5, failed_count=0), 5, 0, 0),
        (job("complete"), 5, 0, 0),
    ],
)
async def test_jobs_that_go_wrong(
    klaviyo: Klaviyo, fake: FakeKlaviyo, document: dict[str, Any], succeeded: int, failed: int, unknown: int
) -> None:
    fake.fail("get_bulk_import_profiles_job", status=200, body=document, times=None)
    report = await asyncio.wait_for(klaviyo.bulk.import_profiles(people(5)), 30)
    assert (report.succeeded, report.failed, len(report.unknown)) == (succeeded, failed, unknown)
    assert adds_up(report)
    for each in [*report.errors, *report.unknown]:
        assert each.detail
        assert each.id == f"p{each.row}@x.com"


async def test_a_job_that_nobody_knows_any_more(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    fake.fail("get_bulk_import_profiles_job", status=404, times=3)
    report = await klaviyo.bulk.import_profiles(people(5))
    assert len(report.unknown) == 5


async def test_a_job_that_is_not_visible_yet(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    fake.fail("get_bulk_import_profiles_job", status=404, times=2)
    report = await klaviyo.bulk.import_profiles(people(5))
    assert report.succeeded == 5


async def test_job_errors_that_say_little_are_traced_by_what_they_name(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    errors = [
        {"detail": "Bad one.", "meta": {"external_id": "S3"}, "source": {}},
        {"detail": "Bad two.", "source": {"pointer": "/data/1/attributes/price"}},
        {"code": "odd", "title": "Odd", "source": {"pointer": "/data/1/attributes/title"}},
    ]
    rows: list[dict[str, Any]] = [
        {"external_id": f"S{n}", "title": "t", "description": "d", "url": "https://x.com"} for n in range(5)
    ]
    fake.fail(
        "get_bulk_create_catalog_items_job",
        status=200,
        body=job("complete", completed_count=3, failed_count=2, errors=errors),
    )
    report = await klaviyo.bulk.create_catalog_items(rows)
    assert [(error.row, error.id, error.detail) for error in report.errors] == [
        (1, "S1", "Bad two."),
        (3, "S3", "Bad one."),
    ]
    assert report.succeeded == 3


async def test_errors_of_an_import_are_read_page_by_page_and_by_payload(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    rows = people(250)
    for number in range(0, 250, 2):
        rows[number]["email"] = f"bad {number}"
    report = await klaviyo.bulk.import_profiles(rows)
    assert [error.row for error in report.errors] == list(range(0, 250, 2))
    listed = {
        "data": [
            None,
            {
                "type": "import-error",
                "id": "E",
                "attributes": {"detail": "No.", "original_payload": {"email": "p3@x.com"}},
            },
        ],
        "links": {"next": None},
    }
    fake.fail("get_bulk_import_profiles_job", status=200, body=job("complete", completed_count=4, failed_count=1))
    fake.fail("get_errors_for_bulk_import_profiles_job", status=200, body=listed)
    report = await klaviyo.bulk.import_profiles(people(5))
    assert [(error.row, error.id, error.detail) for error in report.errors] == [(3, "p3@x.com", "No.")]


async def test_words_of_klaviyos_that_can_not_be_encoded(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    pointed = refusal("/data/attributes/profiles/data/1/attributes/\ud800", detail="No \udfff.")
    fake.fail("bulk_import_profiles", status=400, body=json.dumps(pointed))
    report = await klaviyo.bulk.import_profiles(people(3))
    (error,) = report.errors
    assert (error.row, error.detail, error.pointer) == (1, "No \\udfff.", "/attributes/\\ud800")


async def test_jobs_are_looked_at_again_when_that_fails(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    fake.fail("get_bulk_import_profiles_job", status=500, times=2)
    fake.fail("get_bulk_import_profiles_job", status=200, body=job("processing"), after=2)
    assert (await klaviyo.bulk.import_profiles(people(5))).ok


async def test_a_response_without_a_job(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    fake.fail("bulk_import_profiles", status=202, body={"data": None})
    fake.fail("bulk_import_profiles", status=202, body=b"<html>")
    report = await klaviyo.bulk.import_profiles(people(20_000))
    assert len(report.unknown) == 20_000
    assert adds_up(report)


async def test_a_cancelled_import_leaves_nothing_pending(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    fake.fail("bulk_import_profiles", stall=True, times=None)
    task = asyncio.create_task(klaviyo.bulk.import_profiles(people(40_000)))
    while len(klaviyo._session.calls) < 4:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(klaviyo._session.calls) == 0
    left = [repr(each.get_coro()) for each in asyncio.all_tasks() if not each.done()]
    assert not [each for each in left if "Run." in each or "keep_telling" in each]
    fake.clear_faults()


async def test_a_callback_that_raises_ends_the_import(klaviyo: Klaviyo) -> None:
    def refuse(_: object) -> None:
        raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        await klaviyo.bulk.import_profiles(people(5), progress=refuse)


async def test_a_closed_client(klaviyo: Klaviyo) -> None:
    await klaviyo.close()
    with pytest.raises(KlaviyoError) as caught:
        await klaviyo.bulk.import_profiles(people(5))
    assert not isinstance(caught.value, APIError)
