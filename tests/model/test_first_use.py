"""Classes compile their code when first used: whatever is asked of a class first must work, and from many threads."""

from __future__ import annotations

import copy
import inspect
import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from klaviyo_async._model import ABSENT, Many, Model, field, model, nested, time

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from klaviyo_async._model import Unset

THREADS = 8


def fresh() -> Any:
    @model
    class Item(Model):
        __module__ = "klaviyo_async.models.item"  # where the models that it refers to are looked up

        kind: str = "item"
        id: str
        made_at: datetime | None = time(default=ABSENT, wire="made-at")
        items: list[Model] | None = nested(Many("ObjectLinks"), default=ABSENT)
        from_: str | Unset = field(default=ABSENT, wire="from")

    return Item


def signature(cls: Any) -> None:
    assert list(inspect.signature(cls).parameters) == [
        "additional_properties", "kind", "id", "made_at", "items", "from_",
    ]  # fmt: skip
    assert inspect.signature(cls).parameters["kind"].default == "item"
    assert inspect.signature(cls.__init__).parameters["id"].kind is inspect.Parameter.KEYWORD_ONLY


def fields(cls: Any) -> None:
    assert attrs.has(cls)
    assert [each.name for each in attrs.fields(cls)][1:] == ["kind", "id", "made_at", "items", "from_"]
    assert attrs.fields(cls).id.default is attrs.NOTHING


def constructor(cls: Any) -> None:
    with pytest.raises(TypeError, match=r"Item.__init__\(\) got an unexpected keyword argument 'idd'"):
        cls(idd="1")
    made = cls(id="1", made_at="2026-01-02T03:04:05Z", items=[{"self": "/2"}])
    assert made.made_at.year == 2026
    assert made.to_dict() == {"kind": "item", "id": "1", "made-at": "2026-01-02T03:04:05Z", "items": [{"self": "/2"}]}
    assert made.items[0].self_ == "/2"
    assert attrs.evolve(made, id="3").id == "3"


def decoding(cls: Any) -> None:
    found = cls.from_dict({"id": "1", "from": "x", "more": 1})
    assert (found.from_, found.kind, found.additional_properties) == ("x", None, {"more": 1})
    assert copy.copy(found) == found


def names(cls: Any) -> None:
    assert cls.from_dict({"id": "1"}).is_set("id")
    assert "made_at" in dir(cls)


def subclass(cls: Any) -> None:
    class Plain(cls):  # type: ignore[misc]
        pass

    @attrs.define
    class Own(cls):  # type: ignore[misc]
        note: str = ""
        marks: list[str] = attrs.Factory(list)

    assert Plain(id="1").to_dict() == Own(id="1", note="x").to_dict() == {"kind": "item", "id": "1"}
    value = {"id": "1", "made-at": "2026-01-02T03:04:05Z", "items": [{"self": "/2"}], "more": 1}
    for kind in (Plain, Own):
        found = kind.from_dict(value)
        copies = (found, kind.from_json(json.dumps(value)), copy.deepcopy(found), found.replace(id="1"))
        assert {type(each) for each in copies} == {kind}
        for each in copies:
            assert (each.made_at.year, each.items[0].self_, each.more, each.from_) == (2026, "/2", 1, None)
            assert not each.is_set("from")
            assert each == found
            assert each.to_dict() == value
    assert (Own.from_dict(value).note, Own.from_dict(value).marks) == ("", [])


QUESTIONS = [signature, fields, constructor, decoding, names, subclass]


@pytest.mark.parametrize("ask", QUESTIONS)
def test_whatever_is_asked_first(ask: Callable[[Any], None]) -> None:
    cls = fresh()
    ask(cls)
    for other in QUESTIONS:
        other(cls)


@pytest.mark.parametrize("ask", [signature, fields, constructor, decoding])
def test_first_asked_by_many_threads_at_once(ask: Callable[[Any], None]) -> None:
    for _ in range(5):
        cls, together = fresh(), Barrier(THREADS)

        def run(cls: Any = cls, together: Barrier = together) -> None:
            together.wait()
            ask(cls)

        with ThreadPoolExecutor(THREADS) as pool:
            for done in [pool.submit(run) for _ in range(THREADS)]:
                done.result()
