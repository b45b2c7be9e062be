"""Requests are filled to the byte, never over a cap; no row is lost, doubled or out of order. And splitting finds the culprits."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from klaviyo_async.bulk._import.batches import Batch, Envelope, Packer
from klaviyo_async.bulk._import.order import Order
from klaviyo_async.bulk._import.refusals import Reason, culprits, remains
from klaviyo_async.bulk._import.rows import Row
from klaviyo_async.errors import ErrorObject
from klaviyo_async.operation import Caps

if TYPE_CHECKING:
    from collections.abc import Sequence

ENVELOPE = Envelope.around(
    {"data": {"type": "job", "attributes": {"rows": {"data": []}}, "meta": 1}}, ("data", "attributes", "rows", "data")
)

rows_ = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 5)), max_size=60).map(
    lambda given: [
        Row(number, json.dumps({"n": number, "x": "x" * size}, separators=(",", ":")).encode(), (number,), weight)
        for number, (size, weight) in enumerate(given)
    ]
)


def packed(caps: Caps, rows: Sequence[Row], slices: Sequence[int]) -> list[Batch]:
    packer = Packer(caps, ENVELOPE)
    batches: list[Batch] = []
    left = list(rows)
    for size in slices:
        batches += packer.add_all(left[:size])
        left = left[size:]
    batches += [batch for row in left if (batch := packer.add(row)) is not None]
    if (last := packer.flush()) is not None:
        batches.append(last)
    assert packer.flush() is None
    return batches


@given(rows_, st.integers(160, 500), st.integers(5, 20), st.lists(st.integers(0, 20), max_size=10))
def test_batches_keep_the_caps_the_order_and_every_row(
    rows: list[Row], most_bytes: int, most_rows: int, slices: list[int]
) -> None:
    batches = packed(Caps(bytes=most_bytes, rows=most_rows), rows, slices)
    assert [number for batch in batches for number in batch.numbers] == [row.number for row in rows]
    weights = {row.number: row.weight for row in rows}
    sizes = {row.number: len(row.text) for row in rows}
    for batch in batches:
        assert batch.size == len(batch.body) <= most_bytes
        assert sum(weights[number] for number in batch.numbers) <= most_rows
        assert batch.texts() == [rows[number].text for number in batch.numbers]
        document = json.loads(batch.body)
        assert [row["n"] for row in document["data"]["attributes"]["rows"]["data"]] == list(batch.numbers)
        assert document["data"]["meta"] == 1
        assert list(batch.claim.keys) == list(batch.numbers)
    for batch, after in pairwise(batches):
        first = after.numbers[0]
        # Filled to the byte: the next row would have been too much.
        assert (
            batch.size + 1 + sizes[first] > most_bytes
            or sum(weights[number] for number in batch.numbers) + weights[first] > most_rows
        )


@given(rows_.filter(bool), st.data())
def test_splitting_ends_with_the_culprits_alone(rows: list[Row], data: Any) -> None:
    bad = data.draw(st.sets(st.sampled_from([row.number for row in rows])))
    pointed = data.draw(st.booleans())
    some_pointed = data.draw(st.integers(1, 5))
    (batch,) = packed(Caps(rows=10_000), rows, ())
    accepted: list[int] = []
    refused: list[int] = []
    requests = 0
    waiting = [batch]
    while waiting:
        batch = waiting.pop()
        requests += 1
        culprit = [index for index, number in enumerate(batch.numbers) if number in bad]
        if not culprit:
            accepted += batch.numbers
            continue
        blamed = dict.fromkeys(culprit[:some_pointed], Reason("invalid", "No.", None)) if pointed else {}
        if not blamed and len(batch) == 1:
            blamed = {0: Reason(None, None, None)}
        refused += [batch.numbers[index] for index in blamed]
        parts = remains(batch, blamed, ENVELOPE)
        for part in parts:
            assert json.loads(part.body)["data"]["meta"] == 1
            assert part.texts() == [rows[number].text for number in part.numbers]
            assert part.size == len(part.body)
            assert part.claim is batch.claim
        waiting += parts
    assert sorted(refused) == sorted(bad)
    assert sorted(accepted) == sorted({row.number for row in rows} - bad)
    assert requests <= 1 + 2 * len(bad) * (1 + len(rows).bit_length())


@given(st.lists(st.lists(st.integers(0, 6), max_size=2, unique=True), max_size=30), st.integers(1, 5), st.data())
def test_rows_about_the_same_thing_keep_their_order(about: list[list[int]], most: int, data: Any) -> None:
    rows = [Row(number, b"{}", tuple(keys)) for number, keys in enumerate(about)]
    order = Order()
    sent: list[int] = []
    on_the_way: list[Row] = []
    left = list(rows)
    while left or on_the_way or order.waiting:
        part, left = left[:most], left[most:]
        for row in [*order.ready(), *order.admitted(part)]:
            assert not any(set(row.keys) & set(other.keys) for other in on_the_way), "two at once"
            on_the_way.append(row)
            sent.append(row.number)
        if on_the_way:
            done = on_the_way.pop(data.draw(st.integers(0, len(on_the_way) - 1)))
            order.release(done.keys)
    assert sorted(sent) == list(range(len(rows)))
    for key in range(7):
        numbers = [number for number in sent if key in about[number]]
        assert numbers == sorted(numbers)


def test_pointers_of_all_kinds() -> None:
    def error(pointer: str, detail: str = "No.") -> ErrorObject:
        return ErrorObject.from_dict({"code": "invalid", "detail": detail, "source": {"pointer": pointer}})

    rows = "/data/attributes/profiles/data"
    found = culprits(
        [
            error(f"{rows}/2/attributes/email"),
            error(f"{rows}/2/attributes/phone_number", "Nor this."),
            error(f"{rows}/4"),
            error(f"{rows}/99"),
            error("/data/relationships/lists/data/0"),
            error("/data"),
        ],
        5,
        rows,
    )
    assert {index: (reason.detail, reason.pointer) for index, reason in found.items()} == {
        2: ("No. Nor this.", "/attributes/email"),
        4: ("No.", None),
    }
    assert culprits([error("/data/3/attributes/price")], 5)[3].pointer == "/attributes/price"


def test_an_envelope_is_around_whatever_the_document_has() -> None:
    envelope = Envelope.around({"data": {"rows": []}, "x": 'a "rows" b'}, ("data", "rows"))
    body, ends = envelope.fill([b"1", b"22"])
    assert json.loads(body) == {"data": {"rows": [1, 22]}, "x": 'a "rows" b'}
    assert list(ends) == [len(envelope.head) + 1, len(envelope.head) + 4]
    assert evolve(envelope) == envelope
