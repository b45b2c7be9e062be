"""FakeKlaviyo with the operations of other revisions: state for resources that it never heard of, and several revisions in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

import klaviyo_async
from klaviyo_async import ConfigurationError, Klaviyo
from klaviyo_async.errors import BadRequest, NotFound
from klaviyo_async.testing import FakeKlaviyo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import ModuleType


@pytest.fixture
async def fake(beta: ModuleType) -> AsyncIterator[FakeKlaviyo]:
    async with FakeKlaviyo(operations=beta.operations, limits=False) as fake:
        yield fake


@pytest.fixture
async def klaviyo(fake: FakeKlaviyo, beta: ModuleType) -> AsyncIterator[Any]:
    async with beta.Klaviyo("pk_1", base_url=fake.url) as klaviyo:
        yield klaviyo


def test_all_of_a_beta_is_stateful(fake: FakeKlaviyo, beta: ModuleType) -> None:
    assert fake.coverage() == dict.fromkeys(beta.operations, "stateful")
    assert fake.revision == beta.REVISION


async def test_resources_that_nobody_described_have_state(klaviyo: Any, fake: FakeKlaviyo) -> None:
    created = await klaviyo.widgets.create_widget_beta(name="hammer", colour="red")
    assert created.data.attributes.created is not None
    widget = created.data.id
    assert (await klaviyo.widgets.get_widget_beta(widget)).data.attributes.name == "hammer"
    changed = await klaviyo.widgets.update_widget_beta(widget, colour=None)
    assert changed.data.attributes.to_dict() == {**created.data.attributes.to_dict(), "colour": None}
    assert fake.store.find("widget", name="hammer")["id"] == widget  # type: ignore[index]
    await klaviyo.widgets.delete_widget_beta(widget)
    assert fake.store.count("widget") == 0


@pytest.mark.parametrize(
    "name", ["get_widget_beta", "update_widget_beta", "delete_widget_beta", "get_gadgets_for_widget_beta"]
)
async def test_an_unknown_id_is_a_404(klaviyo: Any, name: str) -> None:
    with pytest.raises(NotFound, match="Widget with id nobody not found"):
        await getattr(klaviyo.widgets, name)("nobody", **({"name": "x"} if name.startswith("update") else {}))


async def test_lists_filter_sort_and_page(klaviyo: Any, beta: ModuleType) -> None:
    for number in range(5):
        await klaviyo.widgets.create_widget_beta(name=f"w{number}", colour="red" if number % 2 else "blue")
    red = beta.filters.GetWidgetsBeta.colour == "red"
    names = [
        each.attributes.name async for each in klaviyo.widgets.get_widgets_beta(filter=red, sort="-name", page_size=1)
    ]
    assert names == ["w3", "w1"]
    assert len([page async for page in klaviyo.widgets.get_widgets_beta(page_size=2).pages()]) == 3


async def test_relationships_of_both_kinds_and_from_both_sides(klaviyo: Any) -> None:
    gadgets = [(await klaviyo.gadgets.create_gadget_beta(name=f"g{number}")).data.id for number in range(3)]
    widget = (await klaviyo.widgets.create_widget_beta(name="w", gadgets=gadgets[:1], owner=gadgets[2])).data.id

    async def ids() -> list[str]:
        return [each.id async for each in klaviyo.widgets.get_gadgets_ids_for_widget_beta(widget)]

    assert await ids() == gadgets[:1]
    await klaviyo.widgets.add_gadgets_of_widget_beta(widget, gadgets)
    assert await ids() == gadgets
    await klaviyo.widgets.remove_gadgets_of_widget_beta(widget, gadgets[:1])
    assert await ids() == gadgets[1:]
    await klaviyo.widgets.replace_gadgets_of_widget_beta(widget, gadgets[:2])
    assert sorted(await ids()) == sorted(gadgets[:2])
    assert [each.id async for each in klaviyo.gadgets.get_widgets_for_gadget_beta(gadgets[0])] == [widget]
    assert [each.id async for each in klaviyo.gadgets.get_widgets_for_gadget_beta(gadgets[2])] == []
    assert (await klaviyo.widgets.get_owner_for_widget_beta(widget)).data.attributes.name == "g2"
    await klaviyo.widgets.replace_owner_of_widget_beta(widget, gadgets[1])
    assert (await klaviyo.widgets.get_owner_ids_for_widget_beta(widget)).data.id == gadgets[1]
    (page,) = [page async for page in klaviyo.widgets.get_widgets_beta(include=["gadgets", "owner"]).pages()]
    assert {each.id for each in page.related(page.data[0], "gadgets")} == set(gadgets[:2])
    assert [each.id for each in page.related(page.data[0], "owner")] == [gadgets[1]]
    with pytest.raises(NotFound, match="Gadget with id nobody not found"):
        await klaviyo.widgets.add_gadgets_of_widget_beta(widget, ["nobody"])


async def test_bodies_are_checked_by_the_schemas_of_their_revision(klaviyo: Any) -> None:
    with pytest.raises(BadRequest, match="name"):
        await klaviyo.request("POST", "/api/widgets", json={"data": {"type": "widget", "attributes": {}}})
    with pytest.raises(BadRequest, match="size"):
        await klaviyo.request(
            "POST", "/api/widgets/", json={"data": {"type": "widget", "attributes": {"name": "w", "size": 1}}}
        )
    with pytest.raises(NotFound, match="no endpoint"):
        await klaviyo.request("GET", "/api/profiles")


async def test_state_outlives_a_fake_with_a_database(beta: ModuleType, tmp_path: Any) -> None:
    file = tmp_path / "state.sqlite"
    async with (
        FakeKlaviyo(operations=beta.operations, database=file) as fake,
        beta.Klaviyo("pk_1", base_url=fake.url, limiter=False) as klaviyo,
    ):
        gadget = (await klaviyo.gadgets.create_gadget_beta(name="g")).data.id
        widget = (await klaviyo.widgets.create_widget_beta(name="w", gadgets=[gadget])).data.id
    async with FakeKlaviyo(operations=beta.operations, database=file) as fake:
        assert fake.store.related("widget", widget, "gadgets") == [gadget]
        assert fake.store.related("gadget", gadget, "widgets") == [widget]


async def test_three_revisions_in_one_process_against_one_fake(old: ModuleType, beta: ModuleType) -> None:
    tables = [klaviyo_async.operations, old.operations, beta.operations]
    async with (
        FakeKlaviyo(operations=tables) as fake,
        Klaviyo("pk_three", base_url=fake.url) as shipped,
        old.Klaviyo("pk_three", base_url=fake.url) as earlier,
        beta.Klaviyo("pk_three", base_url=fake.url) as newest,
    ):
        assert fake.revision == klaviyo_async.REVISION
        vip = (await shipped.lists.create_list(name="VIP")).data.id
        created = await earlier.profiles.create_profile(email="sarah@example.com")
        await shipped.lists.add_profiles_to_list(vip, [created.data.id])
        # one state for all
        profile = await shipped.profiles.get_profile(created.data.id)
        assert profile.data.attributes.email == "sarah@example.com"
        assert [each.id async for each in earlier.profiles.get_lists_for_profile(created.data.id)] == [vip]
        # checked by what each revision has
        with pytest.raises(BadRequest, match="phone_number"):
            await old.api.profiles.create_profile(
                shipped, {"data": {"type": "profile", "attributes": {"phone_number": "+15005550006"}}}
            )
        await shipped.profiles.update_profile(created.data.id, phone_number="+15005550006")
        # the beta's paths, on any client; and what a beta doesn't have is the first one's
        await beta.api.widgets.create_widget_beta(shipped, name="w")
        assert fake.store.count("widget") == 1
        assert (await newest.request("GET", f"/api/profiles/{created.data.id}"))["data"]["id"] == created.data.id
        assert fake.requests[-1].headers["revision"] == beta.REVISION
        # limits are those of the account, whoever calls
        for _ in range(3):
            await earlier.profiles.get_profiles()
            await klaviyo_async.api.profiles.get_profiles(newest)
        (bucket,) = [each for each in newest.limiter.snapshot().buckets if each.name == "get_profiles"]
        assert bucket.windows[1].spent == 6
        assert fake.responses[429] == 0
        assert {request.headers["revision"] for request in fake.requests} == {table.revision for table in tables}


async def test_operations_of_several_packages_in_one_mapping(beta: ModuleType) -> None:
    together = {**klaviyo_async.operations, **beta.operations}
    async with FakeKlaviyo(operations=together, limits=False) as fake, Klaviyo("pk_1", base_url=fake.url) as klaviyo:
        await klaviyo.profiles.get_profiles()
        assert (await beta.api.widgets.get_widgets_beta(klaviyo)).data == []


async def test_some_of_the_operations(beta: ModuleType) -> None:
    few = {"get_widgets_beta": beta.operations["get_widgets_beta"]}
    async with FakeKlaviyo(operations=few, limits=False) as fake, beta.Klaviyo("pk_1", base_url=fake.url) as klaviyo:
        assert (await klaviyo.widgets.get_widgets_beta()).data == []
        with pytest.raises(klaviyo_async.APIError, match="405"):
            await klaviyo.widgets.create_widget_beta(name="w")


def test_operations_without_schemas_are_refused(beta: ModuleType) -> None:
    homeless = {"get_x": evolve(beta.operations["get_widgets_beta"], package="no_such_package")}
    with pytest.raises(ConfigurationError, match=r"no_such_package: it has no schemas.*codegen generate"):
        FakeKlaviyo(operations=homeless)
    with pytest.raises(ConfigurationError, match="needs operations"):
        FakeKlaviyo(operations={})


def test_faults_strike_operations_of_any_revision(beta: ModuleType) -> None:
    fake = FakeKlaviyo(operations=[klaviyo_async.operations, beta.operations])
    fake.fail("get_widgets_beta", status=500)
    with pytest.raises(ValueError, match="no operation"):
        fake.fail("get_widgets_bate", status=500)
