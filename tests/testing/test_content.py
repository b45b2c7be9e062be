"""Catalogs, campaigns, templates, flows, tags, coupons, images: the quirks of each."""

from __future__ import annotations

import aiohttp
import pytest

from klaviyo_async import Klaviyo, PayloadTooLarge, RequestOptions


def item(external, kind="catalog-item", relationships=None, **attributes):
    given = {"external_id": external, "title": external, "description": "d", "url": "https://x.example", **attributes}
    data = {"type": kind, "attributes": given}
    if relationships:
        data["relationships"] = relationships
    return {"data": data}


async def test_catalog_ids_are_made_of_external_ids(send):
    made = await send("POST", "/api/catalog-items", json=item("SKU 1/x"))
    assert made.data["id"] == "$custom:::$default:::SKU 1/x"
    for path in ("%24custom%3A%3A%3A%24default%3A%3A%3ASKU%201%2Fx", "$custom:::$default:::SKU%201%2Fx"):
        assert (await send("GET", f"/api/catalog-items/{path}")).data["id"] == made.data["id"]
    again = await send("POST", "/api/catalog-items", json=item("SKU 1/x"))
    assert again.status == 409
    missing = await send("GET", "/api/catalog-items/$custom:::$default:::nope")
    assert missing.error["detail"] == "An item with id $custom:::$default:::nope does not exist."


async def test_items_categories_and_variants_hang_together(send, fake):
    item_id = (await send("POST", "/api/catalog-items", json=item("A"))).data["id"]
    category = {"data": {"type": "catalog-category", "attributes": {"external_id": "C", "name": "C"}}}
    category_id = (await send("POST", "/api/catalog-categories", json=category)).data["id"]
    link = {"data": [{"type": "catalog-category", "id": category_id}]}
    path = f"/api/catalog-items/{item_id}/relationships/categories"
    assert (await send("POST", path, json=link)).status == 204
    assert (await send("GET", path)).data == link["data"]
    assert [one["id"] for one in (await send("GET", f"/api/catalog-categories/{category_id}/items")).data] == [item_id]
    assert (await send("PATCH", path, json={"data": []})).status == 204
    assert (await send("GET", path)).data == []
    related = {"item": {"data": {"type": "catalog-item", "id": item_id}}}
    variant = item("V", "catalog-variant", related, sku="V", inventory_quantity=1, price=2.5)
    variant_id = (await send("POST", "/api/catalog-variants", json=variant)).data["id"]
    shown = (await send("GET", f"/api/catalog-items/{item_id}?include=variants&fields[catalog-variant]=sku,price")).json
    assert shown["included"][0]["attributes"] == {"sku": "V", "price": 2.5}
    assert (await send("DELETE", f"/api/catalog-items/{item_id}")).status == 204
    assert fake.store.get("catalog-variant", variant_id) is None
    variant["data"]["attributes"]["external_id"] = "W"
    lost = await send("POST", "/api/catalog-variants", json=variant)
    assert lost.status == 404
    assert lost.error["source"] == {"pointer": "/data/relationships/item/data/id"}


@pytest.fixture
async def campaign(send, fake):
    people = [fake.store.add("profile", {"email": f"{one}@x.com"})["id"] for one in "abc"]
    group = fake.store.add("list", {"name": "L"}, relationships={"profiles": people})["id"]
    out = fake.store.add("segment", {"name": "S"}, relationships={"profiles": people[:1]})["id"]
    message = {
        "type": "campaign-message",
        "attributes": {"definition": {"channel": "email", "label": "M", "content": {"subject": "Hello"}}},
    }
    given = {
        "data": {
            "type": "campaign",
            "attributes": {
                "name": "Spring",
                "audiences": {"included": [group], "excluded": [out]},
                "campaign-messages": {"data": [message]},
            },
        }
    }
    made = await send("POST", "/api/campaigns", json=given)
    assert made.status == 201, made.json
    return made.data


async def test_a_campaign_comes_with_its_messages(send, campaign):
    assert campaign["attributes"]["status"] == "Draft"
    (message,) = campaign["relationships"]["campaign-messages"]["data"]
    shown = (await send("GET", f"/api/campaign-messages/{message['id']}?include=campaign,template")).json
    assert shown["data"]["attributes"]["definition"]["content"]["subject"] == "Hello"
    assert shown["data"]["relationships"]["template"]["data"] is None
    assert shown["included"][0]["id"] == campaign["id"]
    found = await send("GET", "/api/campaigns?filter=equals(messages.channel,'email'),contains(name,'spring')")
    assert [one["id"] for one in found.data] == [campaign["id"]]
    image = await send("GET", f"/api/campaign-messages/{message['id']}/image")
    assert image.json == {"data": None}


async def test_a_campaign_is_sent_once(send, fake, campaign):
    estimate = {"data": {"type": "campaign-recipient-estimation-job", "id": campaign["id"]}}
    assert (await send("GET", f"/api/campaign-recipient-estimation-jobs/{campaign['id']}")).status == 404
    assert (await send("POST", "/api/campaign-recipient-estimation-jobs", json=estimate)).status == 202
    counted = await send("GET", f"/api/campaign-recipient-estimations/{campaign['id']}")
    assert counted.data["attributes"]["estimated_recipient_count"] == 2
    job = {"data": {"type": "campaign-send-job", "id": campaign["id"]}}
    queued = await send("POST", "/api/campaign-send-jobs", json=job)
    assert (queued.status, queued.data["attributes"]["status"]) == (202, "queued")
    assert (await send("POST", "/api/campaign-send-jobs", json=job)).status == 400
    fake.clock.advance(1)
    done = await send("GET", f"/api/campaign-send-jobs/{campaign['id']}")
    assert done.data["attributes"]["status"] == "complete"
    assert (await send("GET", f"/api/campaigns/{campaign['id']}")).data["attributes"]["status"] == "Sent"
    rename = {"data": {"type": "campaign", "id": campaign["id"], "attributes": {"name": "x"}}}
    assert (await send("PATCH", f"/api/campaigns/{campaign['id']}", json=rename)).status == 400


async def test_sending_can_be_called_back(send, campaign):
    path = f"/api/campaign-send-jobs/{campaign['id']}"
    back = {"data": {"type": "campaign-send-job", "id": campaign["id"], "attributes": {"action": "revert"}}}
    assert (await send("PATCH", path, json=back)).status == 400
    await send("POST", "/api/campaign-send-jobs", json={"data": {"type": "campaign-send-job", "id": campaign["id"]}})
    assert (await send("PATCH", path, json=back)).status == 204
    assert (await send("GET", f"/api/campaigns/{campaign['id']}")).data["attributes"]["status"] == "Draft"
    assert (await send("GET", path)).data["attributes"]["status"] == "cancelled"


async def test_a_clone_is_a_draft_with_messages_of_its_own(send, fake, campaign):
    given = {"data": {"type": "campaign", "id": campaign["id"], "attributes": {"new_name": "Summer"}}}
    copy = (await send("POST", "/api/campaign-clone", json=given)).data
    assert (copy["attributes"]["name"], copy["attributes"]["status"]) == ("Summer", "Draft")
    assert copy["relationships"]["campaign-messages"]["data"] != campaign["relationships"]["campaign-messages"]["data"]
    assert fake.store.count("campaign-message") == 2
    assert (await send("DELETE", f"/api/campaigns/{copy['id']}")).status == 204
    assert fake.store.count("campaign-message") == 1


async def test_audiences_have_to_be_there(send, campaign):
    given = {"data": {"type": "campaign", "id": campaign["id"], "attributes": {"audiences": {"included": ["nope"]}}}}
    answer = await send("PATCH", f"/api/campaigns/{campaign['id']}", json=given)
    assert answer.error["source"] == {"pointer": "/data/attributes/audiences/included/0"}


async def test_templates_render_clone_and_are_held_on_to(send, fake, body, campaign):
    made = await send(
        "POST",
        "/api/templates",
        json=body("template", name="T", editor_type="CODE", html="Hi {{ person.name|title }}!"),
    )
    template = made.data["id"]
    assert "definition" not in made.data["attributes"]
    rendered = await send(
        "POST", "/api/template-render", json=body("template", template, context={"person": {"name": "Sarah"}})
    )
    assert (rendered.status, rendered.data["attributes"]["html"]) == (200, "Hi Sarah!")
    copy = await send("POST", "/api/template-clone", json=body("template", template, name="U"))
    assert (copy.status, copy.data["attributes"]["html"]) == (200, "Hi {{ person.name|title }}!")
    (message,) = campaign["relationships"]["campaign-messages"]["data"]
    assign = {
        "data": {
            "type": "campaign-message",
            "id": message["id"],
            "relationships": {"template": {"data": {"type": "template", "id": template}}},
        }
    }
    assigned = await send("POST", "/api/campaign-message-assign-template", json=assign)
    # a copy of its own
    assert assigned.data["relationships"]["template"]["data"]["id"] not in {template, copy.data["id"]}
    flow = fake.store.add("flow", {"name": "F"})["id"]
    action = fake.store.add("flow-action", {}, relationships={"flow": flow})["id"]
    fake.store.add("flow-message", {}, relationships={"flow-action": action, "template": template})
    held = await send("DELETE", f"/api/templates/{template}")
    assert held.status == 409
    assert held.error["detail"].startswith(f"Cannot delete template {template} while it is attached")
    assert (await send("DELETE", f"/api/flows/{flow}")).status == 204
    gone = await send("DELETE", f"/api/templates/{template}")
    assert (gone.status, gone.content, gone.headers.get("Content-Type")) == (200, b"", None)


async def test_flows_change_their_status_only(send, body, fake):
    flow = fake.store.add("flow", {"name": "F"})["id"]
    for status in ("live", "manual", "draft"):
        answer = await send("PATCH", f"/api/flows/{flow}", json=body("flow", flow, status=status))
        assert answer.data["attributes"]["status"] == status
    assert (await send("PATCH", f"/api/flows/{flow}", json=body("flow", flow, status="paused"))).status == 400


async def test_a_flow_has_the_actions_of_its_definition(send, fake):
    group = fake.store.add("list", {"name": "L"})["id"]
    delay = {
        "temporary_id": "1",
        "type": "time-delay",
        "links": {"next": None},
        "data": {
            "unit": "days",
            "value": 1,
            "secondary_value": 0,
            "timezone": "profile",
            "delay_until_time": None,
            "delay_until_weekdays": None,
        },
    }
    definition = {
        "triggers": [{"type": "list", "id": group}],
        "profile_filter": None,
        "actions": [delay],
        "entry_action_id": "1",
    }
    given = {"data": {"type": "flow", "attributes": {"name": "Welcome", "definition": definition}}}
    made = await send("POST", "/api/flows?additional-fields[flow]=definition", json=given)
    assert made.status == 201, made.json
    assert (made.data["attributes"]["trigger_type"], made.data["attributes"]["status"]) == ("Added to List", "draft")
    assert made.data["attributes"]["definition"]["actions"][0]["type"] == "time-delay"
    (action,) = (await send("GET", f"/api/flows/{made.data['id']}/flow-actions")).data
    found = await send("GET", f'/api/flows/{made.data["id"]}/flow-actions?filter=equals(action_type,"TIME_DELAY")')
    assert [one["id"] for one in found.data] == [action["id"]]
    assert [one["id"] for one in (await send("GET", f"/api/lists/{group}/flow-triggers")).data] == [made.data["id"]]


async def test_tags_belong_to_groups_and_hang_on_things(send, body, fake):
    default = fake.store.find("tag-group", default=True)["id"]
    tag = (await send("POST", "/api/tags?fields[tag]=name", json=body("tag", name="Sale"))).data
    assert tag["attributes"] == {"name": "Sale"}
    assert tag["relationships"]["tag-group"]["data"]["id"] == default
    assert (await send("POST", "/api/tags", json=body("tag", name="Sale"))).status == 409
    assert (await send("DELETE", f"/api/tag-groups/{default}")).status == 400
    group = fake.store.add("list", {"name": "L"})["id"]
    link = {"data": [{"type": "list", "id": group}]}
    assert (await send("POST", f"/api/tags/{tag['id']}/relationships/lists", json=link)).status == 204
    assert [one["id"] for one in (await send("GET", f"/api/lists/{group}/tags")).data] == [tag["id"]]
    included = (await send("GET", "/api/lists?include=tags")).json["included"]
    assert [one["id"] for one in included] == [tag["id"]]
    assert (await send("PATCH", f"/api/tags/{tag['id']}", json=body("tag", tag["id"], name="New"))).status == 204
    assert (await send("DELETE", f"/api/tags/{tag['id']}/relationships/lists", json=link)).status == 204
    assert (await send("GET", f"/api/lists/{group}/relationships/tags")).data == []


async def test_coupon_codes_carry_their_coupon(send, body, fake):
    coupon = await send("POST", "/api/coupons", json=body("coupon", external_id="10OFF"))
    assert coupon.data["id"] == "10OFF"
    code = body("coupon-code", unique_code="A")
    code["data"]["relationships"] = {"coupon": {"data": {"type": "coupon", "id": "10OFF"}}}
    made = await send("POST", "/api/coupon-codes", json=code)
    assert (made.status, made.data["id"], made.data["attributes"]["status"]) == (200, "A-10OFF", "UNASSIGNED")
    assert (await send("POST", "/api/coupon-codes", json=code)).status == 409
    assert (await send("GET", "/api/coupon-codes/A-10OFF/coupon")).data["id"] == "10OFF"
    assert (await send("DELETE", "/api/coupons/10OFF")).status == 204
    assert fake.store.count("coupon-code") == 0


async def test_images_from_files_and_urls(send, body):
    form = aiohttp.FormData()
    form.add_field("file", b"\x89PNG\r\n" + b"x" * 100, filename="logo.png", content_type="image/png")
    form.add_field("name", "Ø logo")
    form.add_field("hidden", "true")
    made = await send("POST", "/api/image-upload", data=form)
    assert made.status == 201, made.json
    attributes = made.data["attributes"]
    assert (attributes["name"], attributes["format"], attributes["size"], attributes["hidden"]) == (
        "Ø logo",
        "png",
        106,
        True,
    )
    assert (await send("POST", "/api/image-upload", json={})).status == 415
    empty = aiohttp.FormData()
    empty.add_field("name", "x", content_type="text/plain")
    empty.add_field("other", b"x", filename="x")
    assert (await send("POST", "/api/image-upload", data=empty)).status == 400
    fetched = await send("POST", "/api/images", json=body("image", import_from_url="https://x.example/cat.jpg?v=1"))
    assert (fetched.data["attributes"]["name"], fetched.data["attributes"]["format"]) == ("cat.jpg", "jpeg")
    wrong = await send("POST", "/api/images", json=body("image", import_from_url="ftp://x"))
    assert wrong.error["source"] == {"pointer": "/data/attributes/import_from_url"}
    image = made.data["id"]
    replaced = await send("PATCH", f"/api/images/{image}", json=body("image", image, hidden=False))
    assert (replaced.data["attributes"]["name"], replaced.data["attributes"]["hidden"]) == (None, False)


async def test_mapped_metrics_hold_one_metric(send, fake):
    metric = fake.store.add("metric", {"name": "M"})["id"]
    custom = fake.store.add("custom-metric", {"name": "C"})["id"]
    path = "/api/mapped-metrics/viewed_product?include=metric,custom-metric"
    assert "relationships" not in (await send("GET", path)).data

    data = {
        "type": "mapped-metric",
        "id": "ordered_product",
        "relationships": {"metric": {"data": {"type": "metric", "id": metric}}},
    }
    mapped = await send("PATCH", "/api/mapped-metrics/ordered_product", json={"data": data})
    assert mapped.data["relationships"]["metric"]["data"]["id"] == metric
    data["relationships"] = {"custom-metric": {"data": {"type": "custom-metric", "id": custom}}}
    moved = await send("PATCH", "/api/mapped-metrics/ordered_product", json={"data": data})
    assert set(moved.data["relationships"]) == {"custom-metric"}
    assert (await send("GET", "/api/mapped-metrics/ordered_product/metric")).json == {"data": None}
    data["relationships"] = {"custom-metric": {"data": None}}
    emptied = await send("PATCH", "/api/mapped-metrics/ordered_product", json={"data": data})
    assert (emptied.status, "relationships" in emptied.data) == (200, False)
    data["relationships"] = {"nope": {"data": None}}
    assert (await send("PATCH", "/api/mapped-metrics/ordered_product", json={"data": data})).status == 400
    wrong = await send("GET", "/api/mapped-metrics/nope")
    assert (wrong.status, wrong.error["detail"]) == (400, "'nope' is not a valid choice for 'id'.")


async def test_reviews_wait_for_approval(send, fake):
    attributes = {"review_type": "review", "email": "a@x.com", "author": "A", "content": "Good", "rating": 5}
    given = {"data": {"type": "review", "attributes": attributes}}
    assert (await send("POST", "/client/reviews?company_id=AbC123", json=given)).status == 202
    assert (await send("GET", "/client/reviews?company_id=AbC123")).data == []
    (review,) = (await send("GET", '/api/reviews?filter=equals(status,"pending"),equals(rating,5)')).data
    published = {"data": {"type": "review", "id": review["id"], "attributes": {"status": {"value": "published"}}}}
    assert (await send("PATCH", f"/api/reviews/{review['id']}", json=published)).status == 200
    assert len((await send("GET", "/client/reviews?company_id=AbC123")).data) == 1


async def test_data_source_records_are_in_the_store(send, fake):
    source = fake.store.add("data-source", {"title": "D"})["id"]
    rows = [{"type": "data-source-record", "attributes": {"record": {"id": n}}} for n in range(2)]
    given = {
        "data": {
            "type": "data-source-record-bulk-create-job",
            "attributes": {"data-source-records": {"data": rows}},
            "relationships": {"data-source": {"data": {"type": "data-source", "id": source}}},
        }
    }
    assert (await send("POST", "/api/data-source-record-bulk-create-jobs", json=given)).status == 204
    assert [one["attributes"]["record"] for one in fake.store.all("data-source-record")] == [{"id": 0}, {"id": 1}]


async def test_the_cap_of_an_upload_is_about_its_file(fake):
    lenient = RequestOptions(validate=False)
    async with Klaviyo("pk_test", base_url=fake.url, limiter=False) as klaviyo:
        await klaviyo.images.upload_image_from_file(file=bytes(5_000_000))
        with pytest.raises(PayloadTooLarge, match="The file may have at most 5,000,000 bytes"):
            await klaviyo.images.upload_image_from_file(file=bytes(5_000_001), options=lenient)
