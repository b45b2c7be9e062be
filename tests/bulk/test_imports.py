"""Every bulk operation, as a user calls it."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_async import NotFound, QueryError, Unauthorized, operations
from klaviyo_async.bulk import Bulk, Progress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from klaviyo_async import Klaviyo
    from klaviyo_async.testing import FakeKlaviyo


def people(count: int) -> list[dict[str, Any]]:
    return [{"email": f"p{number}@x.com", "first_name": "Sarah"} for number in range(count)]


def mistaken(email: str) -> dict[str, Any]:
    """A row without any name that is known."""
    return {"emial": email}


def bodies(fake: FakeKlaviyo, operation: str) -> list[Any]:
    return [request.body for request in fake.requests if request.operation == operation]


def test_there_is_a_method_for_each_bulk_operation() -> None:
    wanted = {name.removeprefix("bulk_") for name in operations if operations[name].bulk is not None}
    methods = {name for name in vars(Bulk.__mro__[1]) if not name.startswith("_")}
    assert methods == wanted


async def test_profiles_into_lists(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    made = await klaviyo.lists.create_list(name="VIP")
    told: list[Progress] = []
    report = await klaviyo.bulk.import_profiles(people(25), lists=[made.data.id], progress=told.append)
    assert (report.submitted, report.succeeded, report.failed) == (25, 25, 0)
    assert report.ok
    assert list(report.errors) == list(report.unknown) == []
    assert (report.requests, report.jobs) == (1, 1)
    members = await klaviyo.lists.get_profiles_for_list(made.data.id, page_size=100).collect()
    assert {member.attributes.email for member in members} == {f"p{number}@x.com" for number in range(25)}
    assert told[0].done == 0
    assert told[-1].done == told[-1].total == 25
    assert told[-1].finished


async def test_from_an_async_iterable_and_a_generator(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    async def rows() -> AsyncIterator[dict[str, Any]]:
        for row in people(3):
            await asyncio.sleep(0)
            yield row

    assert (await klaviyo.bulk.import_profiles(rows())).succeeded == 3
    assert (await klaviyo.bulk.import_profiles(row for row in people(4))).succeeded == 4
    assert len(fake.store.table("profile").records) == 4


async def test_nothing_to_import(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    report = await klaviyo.bulk.import_profiles([])
    assert report.ok
    assert report.submitted == 0
    assert not fake.requests


async def test_batches_are_filled(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    rows = [{"email": f"p{number}@x.com", "properties": {"note": "x" * 2000}} for number in range(5000)]
    report = await klaviyo.bulk.import_profiles(rows)
    assert report.succeeded == 5000
    sizes = [len(request.content) for request in fake.requests if request.operation == "bulk_import_profiles"]
    assert len(sizes) == 3
    assert max(sizes) <= 5_000_000
    # The last ones may have room: but never for one more row.
    assert sorted(sizes)[1] > 5_000_000 - 2200
    sent = [
        row["attributes"]["email"]
        for body in bodies(fake, "bulk_import_profiles")
        for row in body["data"]["attributes"]["profiles"]["data"]
    ]
    assert Counter(sent) == Counter(row["email"] for row in rows)


async def test_rows_that_fail_are_traced_back(klaviyo: Klaviyo) -> None:
    rows = people(6)
    rows[2] = {"email": "nonsense"}
    rows[4] = {"id": "01NOBODY", "first_name": "Nobody"}
    report = await klaviyo.bulk.import_profiles(iter(rows))
    assert (report.submitted, report.succeeded, report.failed, report.unsent) == (6, 4, 2, 0)
    first, second = report.errors
    assert (first.row, first.id, first.state, first.code, first.pointer) == (
        2,
        "nonsense",
        "failed",
        "invalid",
        "/attributes/email",
    )
    assert first.detail
    assert (second.row, second.id, second.code) == (4, "01NOBODY", "not_found")


async def test_rows_that_cannot_be_sent_are_reported_and_the_others_go_on(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    rows: list[Any] = [
        {"email": "a@x.com"},
        {"emial": "b@x.com", "properties": {"x": float("nan")}},
        {"email": "c@x.com", "properties": {"x": object(), "y": float("inf")}},
        {"email": "d@x.com", "properties": {"note": "x" * 100_000}},
        {"first_name": "Nobody"},
        17,
        {"email": "e@x.com"},
    ]
    report = await klaviyo.bulk.import_profiles(rows)
    assert (report.submitted, report.succeeded, report.failed, report.unsent) == (7, 2, 5, 5)
    errors = {error.row: error for error in report.errors}
    assert {row: error.code for row, error in errors.items()} == {
        1: "invalid",
        2: "not_json",
        3: "too_large",
        4: "invalid",
        5: "not_json",
    }
    assert all(error.state == "unsent" for error in errors.values())
    assert [problem.pointer for problem in errors[1].problems] == ["/attributes/emial", "/attributes/properties/x"]
    assert "did you mean 'email'" in (errors[1].detail or "")
    assert [problem.pointer for problem in errors[2].problems] == [
        "/attributes/properties/x",
        "/attributes/properties/y",
    ]
    assert errors[3].id == "d@x.com"
    assert "100,000" in (errors[3].detail or "")
    assert errors[4].pointer is None
    assert len(fake.store.table("profile").records) == 2


async def test_names_that_are_unknown_go_through_without_checks(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    client = klaviyo.with_options(validate=False)
    unknown: dict[str, Any] = {"email": "a@x.com", "brand_new": 1}
    fake.fail("bulk_import_profiles", status=202, body={"data": {"type": "profile-bulk-import-job", "id": "J"}})
    fake.fail("get_bulk_import_profiles_job", status=200, body=job("complete", completed_count=1, failed_count=0))
    report = await client.bulk.import_profiles([unknown])
    assert report.ok
    (body,) = bodies(fake, "bulk_import_profiles")
    assert body["data"]["attributes"]["profiles"]["data"][0]["attributes"]["brand_new"] == 1


def job(status: str, **attributes: Any) -> dict[str, Any]:
    return {"data": {"type": "profile-bulk-import-job", "id": "J", "attributes": {"status": status, **attributes}}}


async def test_the_later_row_about_a_profile_waits_for_the_earlier_one(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    rows: list[dict[str, Any]] = [
        {"email": "a@x.com", "first_name": "First"},
        {"email": "b@x.com"},
        {"email": "A@x.com", "first_name": "Second", "external_id": "7"},
        {"external_id": "7", "first_name": "Third"},
    ]
    report = await klaviyo.bulk.import_profiles(rows)
    assert (report.succeeded, report.held_back, report.requests) == (4, 2, 3)
    (found,) = [each async for each in klaviyo.profiles.get_profiles() if each.attributes.external_id == "7"]
    assert found.attributes.first_name == "Third"
    assert [len(body["data"]["attributes"]["profiles"]["data"]) for body in bodies(fake, "bulk_import_profiles")] == [
        2,
        1,
        1,
    ]


async def test_what_was_read_can_be_written(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    await klaviyo.bulk.import_profiles([{"email": "a@x.com", "properties": {"tier": "gold"}}])
    read = await klaviyo.profiles.get_profiles().collect()
    report = await klaviyo.bulk.import_profiles([*read, *(each.to_dict() for each in read[:0])])
    assert report.ok, list(report.errors)
    flat = read[0].to_row()
    again = {"type": flat["type"], "id": flat["id"], "location.city": "Boston", "properties.tier.now": "silver"}
    report = await klaviyo.bulk.import_profiles([again])
    assert report.ok, list(report.errors)
    found = await klaviyo.profiles.get_profile(read[0].id)
    assert found.data.attributes.location is not None
    assert found.data.attributes.location.city == "Boston"
    assert found.data.attributes.properties == {"tier": "gold", "tier.now": "silver"}


async def test_events_one_by_one_and_by_profile(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    metric = {"name": "Placed Order"}
    one = {"metric": metric, "profile": {"email": "a@x.com"}, "properties": {"n": 1}, "unique_id": "1", "value": 9.5}
    many = {
        "profile": {"email": "b@x.com"},
        "events": [{"metric": metric, "properties": {"n": number}, "unique_id": f"b{number}"} for number in range(3)],
    }
    report = await klaviyo.bulk.create_events([one, many])
    assert (report.submitted, report.succeeded) == (2, 2), list(report.errors)
    events = await klaviyo.events.get_events().collect()
    assert len(events) == 4
    wrong = {"metric": metric, "profile": {"email": "a@x.com"}, "properties": {}, "valeu": 1}
    report = await klaviyo.bulk.create_events([wrong])
    (error,) = report.errors
    assert error.pointer == "/attributes/events/data/0/attributes/valeu"


async def test_the_cap_counts_events_and_not_profiles(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    def of(email: str, count: int) -> dict[str, Any]:
        metric = {"name": "Placed Order"}
        return {
            "profile": {"email": email},
            "events": [
                {"metric": metric, "properties": {"n": number}, "unique_id": f"{email}{number}"}
                for number in range(count)
            ],
        }

    report = await klaviyo.bulk.create_events([of("a@x.com", 600), of("b@x.com", 600), of("c@x.com", 1001)])
    assert (report.succeeded, report.unsent) == (2, 1)
    assert [error.code for error in report.errors] == ["too_large"]
    assert len(bodies(fake, "bulk_create_events")) == 2


async def test_client_events_carry_the_company(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    rows = [
        {"metric": {"name": "Viewed"}, "properties": {"n": number}, "unique_id": str(number)} for number in range(3)
    ]
    report = await klaviyo.bulk.create_client_events(rows, profile={"email": "a@x.com"})
    assert report.succeeded == 3, list(report.errors)
    (request,) = fake.requests
    assert request.parameters["company_id"] == "AbC123"


async def test_subscribing_and_unsubscribing(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    made = await klaviyo.lists.create_list(name="VIP")
    on: dict[str, Any] = {"email": {"marketing": {"consent": "SUBSCRIBED"}}}
    off: dict[str, Any] = {"email": {"marketing": {"consent": "UNSUBSCRIBED"}}}
    report = await klaviyo.bulk.subscribe_profiles(
        [{"email": f"p{n}@x.com", "subscriptions": on} for n in range(3)], list=made.data.id
    )
    assert (report.succeeded, report.jobs) == (3, 0), list(report.errors)
    rows = [{"email": "p0@x.com", "subscriptions": off}]
    with pytest.raises(QueryError, match="confirm_global=True"):
        await klaviyo.bulk.unsubscribe_profiles(rows)
    assert (await klaviyo.bulk.unsubscribe_profiles(rows, list=made.data.id)).ok
    assert (await klaviyo.bulk.unsubscribe_profiles(rows, confirm_global=True)).ok
    assert len(bodies(fake, "bulk_unsubscribe_profiles")) == 2


async def test_suppressing_by_address_list_or_segment(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    report = await klaviyo.bulk.suppress_profiles(["a@x.com", {"email": "b@x.com"}])
    assert (report.succeeded, report.skipped) == (2, 0)
    report = await klaviyo.bulk.suppress_profiles(["a@x.com"])
    assert (report.succeeded, report.skipped) == (1, 1)
    made = await klaviyo.lists.create_list(name="VIP")
    await klaviyo.bulk.import_profiles([{"email": "c@x.com"}, {"email": "d@x.com"}], lists=[made.data.id])
    report = await klaviyo.bulk.suppress_profiles(list=made.data.id)
    assert (report.submitted, report.succeeded) == (2, 2)
    report = await klaviyo.bulk.unsuppress_profiles(list=made.data.id)
    assert (report.submitted, report.succeeded) == (2, 2)
    for given in ({}, {"rows": ["a@x.com"], "list": "L"}, {"list": "L", "segment": "S"}):
        with pytest.raises(QueryError, match="exactly one of rows, list=…, segment=…"):
            await klaviyo.bulk.suppress_profiles(**given)  # type: ignore[arg-type]
    for name in ("checkpoint", "failed_to"):
        with pytest.raises(QueryError, match=f"{name} is for rows"):
            await klaviyo.bulk.suppress_profiles(list=made.data.id, **{name: "x"})  # type: ignore[arg-type]


async def test_a_dry_run_over_a_list_sends_nothing(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    made = await klaviyo.lists.create_list(name="VIP")
    await klaviyo.bulk.import_profiles([{"email": "c@x.com"}], lists=[made.data.id])
    fake.requests.clear()
    report = await klaviyo.bulk.suppress_profiles(list=made.data.id, dry_run=True)
    assert report.dry_run
    assert report.requests == 1
    assert not fake.requests


async def test_progress_of_a_job_over_a_list(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    made = await klaviyo.lists.create_list(name="VIP")
    await klaviyo.bulk.import_profiles([{"email": "c@x.com"}, {"email": "d@x.com"}], lists=[made.data.id])
    told: list[Progress] = []
    await klaviyo.bulk.suppress_profiles(list=made.data.id, progress=told.append)
    assert (told[0].jobs, told[0].finished) == (1, False)
    assert (told[-1].done, told[-1].total, told[-1].jobs, told[-1].finished) == (2, 2, 0, True)


async def test_a_file_for_failed_rows_that_can_not_be_written_is_told_before_anything_is_sent(
    klaviyo: Klaviyo, fake: FakeKlaviyo, tmp_path: Any
) -> None:
    for path, message in ((tmp_path / "none" / "failed.ndjson", "there is no folder"), (tmp_path, "is a folder")):
        with pytest.raises(QueryError, match=message):
            await klaviyo.bulk.import_profiles(people(3), failed_to=path)
    assert not fake.requests


async def test_the_report_is_told_where_failed_rows_can_not_be_written_at_the_end(
    klaviyo: Klaviyo, tmp_path: Any
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()

    def rows() -> Iterator[dict[str, Any]]:
        yield from people(3)
        folder.rmdir()

    with pytest.raises(FileNotFoundError) as caught:
        await klaviyo.bulk.import_profiles(rows(), failed_to=folder / "failed.ndjson")
    assert "3 rows, 3 succeeded" in caught.value.__notes__[0]


@pytest.mark.parametrize("wrong", ["yes", None, 5])
async def test_progress_that_is_no_function(klaviyo: Klaviyo, fake: FakeKlaviyo, wrong: Any) -> None:
    with pytest.raises(QueryError, match="progress must be True, False or a plain function"):
        await klaviyo.bulk.import_profiles(people(3), progress=wrong)
    assert not fake.requests


async def test_progress_by_a_coroutine_function(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    async def tell(progress: Progress) -> None:
        """Nobody would await it."""

    with pytest.raises(QueryError, match="not an async one"):
        await klaviyo.bulk.import_profiles(people(3), progress=tell)
    assert not fake.requests


@pytest.mark.parametrize(
    ("row", "id", "pointer"),
    [
        ({"email": "\ud800@x.com"}, "\\ud800@x.com", "/attributes/email"),
        ({"email": "s@x.com", "first_name": "J\udcf6rg"}, "s@x.com", "/attributes/first_name"),
        ({"email": "s@x.com", "properties": {"\ud800": 1}}, "s@x.com", "/attributes/properties"),
        ({"email": "s@x.com", "\ud800": 1}, "s@x.com", "/attributes/\\ud800"),
        ({"id": "\ud800"}, "\\ud800", "/id"),
        ("\ud800", "\\ud800", "/id"),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
async def test_text_that_can_not_be_encoded_is_that_rows_own_fault(
    klaviyo: Klaviyo, fake: FakeKlaviyo, row: Any, id: str, pointer: str, dry_run: bool
) -> None:
    report = await klaviyo.bulk.import_profiles([{"email": "a@x.com"}, row, {"email": "b@x.com"}], dry_run=dry_run)
    assert (report.failed, report.unsent) == (1, 1)
    if not dry_run:
        assert (report.succeeded, report.requests) == (2, 1)
    (error,) = report.errors
    assert (error.row, error.id, error.pointer) == (1, id, pointer)
    assert "lone surrogate" in error.problems[-1].message
    assert str(error).encode()  # prints anywhere


async def test_catalogs(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    items: list[dict[str, Any]] = [
        {"external_id": f"SKU{n}", "title": "Coffee", "description": "Good", "url": "https://x.com"} for n in range(150)
    ]
    report = await klaviyo.bulk.create_catalog_items(items)
    assert (report.succeeded, report.jobs) == (150, 2), list(report.errors)
    again: dict[str, Any] = {**items[3], "title": "Again"}
    report = await klaviyo.bulk.create_catalog_items([again])
    (error,) = report.errors
    assert (error.row, error.id, error.code) == (0, "SKU3", "duplicate_id")
    ids = [f"$custom:::$default:::SKU{n}" for n in range(150)]
    report = await klaviyo.bulk.update_catalog_items([{"id": id_, "title": "Tea"} for id_ in ids[:2]])
    assert report.ok, list(report.errors)
    report = await klaviyo.bulk.delete_catalog_items([*ids[:120], "$custom:::$default:::NONE"])
    assert (report.succeeded, report.failed) == (120, 1)
    assert report.errors[0].row == 120
    assert len(await klaviyo.catalogs.get_catalog_items().collect()) == 30


async def test_coupon_codes(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    coupon = await klaviyo.coupons.create_coupon(external_id="SPRING")
    rows: list[dict[str, Any]] = [{"unique_code": f"C{n}", "coupon": coupon.data.id} for n in range(5)]
    report = await klaviyo.bulk.create_coupon_codes([*rows, rows[0]])
    assert (report.succeeded, report.failed, report.held_back) == (5, 1, 1), list(report.errors)
    assert report.errors[0].row == 5


async def test_data_source_records(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    source = await klaviyo.custom_objects.create_data_source(title="Shop", visibility="private")
    rows: list[dict[str, Any]] = [{"record": {"id": str(n)}} for n in range(501)]
    report = await klaviyo.bulk.create_data_source_records(rows, data_source=source.data.id)
    assert report.succeeded == 501, list(report.errors)[:3]
    assert len(bodies(fake, "bulk_create_data_source_records")) == 2


async def test_a_dry_run_sends_nothing(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    report = await klaviyo.bulk.import_profiles([*people(10_001), mistaken("x")], dry_run=True)
    assert report.dry_run
    assert (report.submitted, report.failed, report.requests) == (10_002, 1, 2)
    assert report.errors[0].row == 10_001
    items: Iterator[dict[str, Any]] = (
        {"external_id": str(n), "title": "t", "description": "d", "url": "u"} for n in range(90_000)
    )
    many = await klaviyo.bulk.create_catalog_items(items, dry_run=True)
    assert (many.requests, many.seconds) == (900, 12)
    assert not fake.requests


@pytest.mark.parametrize("rows", [{"email": "a@x.com"}, b"x", 7, "profiles.xlsx", "nowhere.csv"])
async def test_what_is_no_source_of_rows(klaviyo: Klaviyo, fake: FakeKlaviyo, rows: Any) -> None:
    with pytest.raises(QueryError):
        await klaviyo.bulk.import_profiles(rows)
    assert not fake.requests


async def test_what_would_end_every_request_ends_the_run(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    fake.fail("bulk_import_profiles", status=401, times=None)
    with pytest.raises(Unauthorized) as caught:
        await klaviyo.bulk.import_profiles(people(30_000))
    assert caught.value.report.submitted == 0
    assert "0 succeeded" in caught.value.__notes__[0]
    fake.clear_faults()
    with pytest.raises(NotFound):
        await klaviyo.bulk.import_profiles(people(3), lists=["nolist"])
    assert len(bodies(fake, "bulk_import_profiles")) <= 4


async def test_what_the_source_raises_comes_out_once_the_rest_is_through(klaviyo: Klaviyo, fake: FakeKlaviyo) -> None:
    def rows() -> Any:
        yield from people(12_000)
        raise LookupError("the database is gone")

    with pytest.raises(LookupError, match="the database is gone") as caught:
        await klaviyo.bulk.import_profiles(rows())
    assert "10,000 succeeded" in caught.value.__notes__[0]
    assert len(fake.store.table("profile").records) == 10_000


async def test_failed_rows_can_be_fed_in_again(klaviyo: Klaviyo, fake: FakeKlaviyo, tmp_path: Any) -> None:
    rows = people(5)
    rows[1] = {"email": "nonsense", "properties": {"x": None}}
    rows[3] = {"email": "x@x.com", "properties": {"x": float("nan")}}
    rows[4] = {"emial": "y@x.com"}
    path = tmp_path / "failed.ndjson"
    report = await klaviyo.bulk.import_profiles(rows, failed_to=path)
    assert report.failed == 3
    again = await klaviyo.bulk.import_profiles(path)
    assert [(error.id, error.code) for error in again.errors] == [("nonsense", "invalid"), (None, "invalid")]
    assert report.write_failed(tmp_path / "other.ndjson") == 2
    assert (tmp_path / "other.ndjson").read_bytes() == path.read_bytes()


async def test_errors_beyond_the_first_thousand_stay_on_disk(klaviyo: Klaviyo) -> None:
    report = await klaviyo.bulk.import_profiles(mistaken(str(number)) for number in range(2500))
    assert len(report.errors) == report.failed == 2500
    assert [error.row for error in report.errors] == list(range(2500))
    assert report.errors[2222].row == 2222
    assert report.errors[-1].row == 2499
    assert [error.row for error in report.errors[995:1005]] == list(range(995, 1005))
    assert [error.row for error in report.errors[:2]] == [0, 1]
