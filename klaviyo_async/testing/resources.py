"""What the fake knows of each resource type beyond the schemas: ids, timestamps, relationships, uniqueness, defaults."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@frozen(kw_only=True)
class Relationship:
    """One relationship of a resource type.

    `kept` says where it is kept: ``one`` is an id in the resource itself; ``reverse`` is read backwards from the other
    side's ``one``; ``many`` is a table of pairs, shared by both sides where `inverse` names the other one's.
    """

    target: str
    many: bool
    kept: str
    inverse: str | None = None
    owner: bool = True
    """For ``many``: whether the pairs are filed under this side."""
    always: bool = False
    """Whether the response has `data` even if it is not included (for a to-many relationship only if it has members)."""
    links: bool = True
    self_link: bool = True


@frozen(kw_only=True)
class Kind:
    """One resource type."""

    id: str = "ulid"
    created: str | None = None
    updated: str | None = None
    stateful: bool = True
    relationships: Mapping[str, Relationship] = field(default=_NOTHING)
    unique: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default=_NOTHING)
    """Attributes of a new resource that the request doesn't give."""
    additional: tuple[str, ...] = ()
    """Attributes that are only given on request."""
    hidden: tuple[str, ...] = ()
    """Attributes that are written but never shown."""
    noun: str | None = None
    missing: str | None = None
    """What a 404 says, with ``{id}`` in it."""
    default_sort: str | None = None
    shown_as: str | None = None
    """Of a relationship that has attributes of its own: the type as which it is shown, with what follows the slash of its
    id as the id."""


def _one(target: str, inverse: str | None = None, *, always: bool = True) -> Relationship:
    return Relationship(target=target, many=False, kept="one", inverse=inverse, always=always)


def _reverse(target: str, inverse: str, *, many: bool = True, always: bool = False) -> Relationship:
    return Relationship(target=target, many=many, kept="reverse", inverse=inverse, always=always)


def _many(
    target: str,
    inverse: str | None = None,
    *,
    owner: bool = True,
    always: bool = False,
    links: bool = True,
    self_link: bool = True,
) -> Relationship:
    return Relationship(
        target=target,
        many=True,
        kept="many",
        inverse=inverse,
        owner=owner,
        always=always,
        links=links,
        self_link=self_link,
    )


def _job(name: str, target: str, *, links: bool = False) -> Kind:
    return Kind(created="created_at", relationships={name: _many(target, links=links)}, default_sort="-created_at")


KINDS: Mapping[str, Kind] = {
    "account": Kind(id="short"),
    "campaign": Kind(
        created="created_at",
        updated="updated_at",
        relationships={
            "campaign-messages": _reverse("campaign-message", "campaign", always=True),
            "tags": _many("tag", "campaigns", owner=False),
        },
        defaults={
            "status": "Draft",
            "archived": False,
            "send_options": {"use_smart_sending": True},
            "send_strategy": {"method": "immediate"},
            "tracking_options": {
                "add_tracking_params": False,
                "custom_tracking_params": [],
                "is_tracking_clicks": True,
                "is_tracking_opens": True,
            },
        },
        default_sort="-created_at",
    ),
    "campaign-message": Kind(
        created="created_at",
        updated="updated_at",
        relationships={
            "campaign": _one("campaign", "campaign-messages"),
            "template": _one("template", always=False),
            "image": _one("image", always=False),
        },
        defaults={"send_times": []},
    ),
    "campaign-recipient-estimation": Kind(),
    "campaign-recipient-estimation-job": Kind(),
    "campaign-send-job": Kind(),
    "catalog-category": Kind(
        updated="updated",
        relationships={"items": _many("catalog-item", "categories", owner=False)},
        unique=("external_id",),
        noun="category",
        missing="A category with id {id} does not exist.",
    ),
    "catalog-item": Kind(
        created="created",
        updated="updated",
        relationships={
            "variants": _reverse("catalog-variant", "item"),
            "categories": _many("catalog-category", "items"),
        },
        unique=("external_id",),
        defaults={"images": [], "custom_metadata": {}, "published": True},
        hidden=("integration_type", "catalog_type"),
        noun="item",
        missing="An item with id {id} does not exist.",
    ),
    "catalog-variant": Kind(
        created="created",
        updated="updated",
        relationships={"item": _one("catalog-item", "variants", always=False)},
        unique=("external_id",),
        defaults={"images": [], "custom_metadata": {}, "published": True, "inventory_policy": 0},
        hidden=("integration_type", "catalog_type"),
        noun="variant",
        missing="A variant with id {id} does not exist.",
    ),
    "conversation": Kind(relationships={"profile": _one("profile", "conversations")}),
    "coupon": Kind(
        relationships={"coupon-codes": _reverse("coupon-code", "coupon")}, unique=("external_id",), hidden=()
    ),
    "coupon-code": Kind(
        relationships={"coupon": _one("coupon", "coupon-codes"), "profile": _one("profile")},
        defaults={"status": "UNASSIGNED", "expires_at": None},
    ),
    "custom-metric": Kind(
        id="uuid",
        created="created",
        updated="updated",
        relationships={"metrics": _many("metric", always=True)},
        unique=("name",),
    ),
    "data-source": Kind(defaults={"visibility": "private", "namespace": "custom-objects", "description": ""}),
    "data-source-record": Kind(relationships={"data-source": _one("data-source")}),
    "event": Kind(
        id="event",
        relationships={
            "profile": _one("profile"),
            "metric": _one("metric"),
            "attributions": _many("attribution"),
        },
        default_sort="-datetime",
    ),
    "attribution": Kind(),
    "flow": Kind(
        id="short",
        created="created",
        updated="updated",
        relationships={
            "flow-actions": _reverse("flow-action", "flow"),
            "tags": _many("tag", "flows", owner=False),
        },
        defaults={"status": "draft", "archived": False, "trigger_type": "Unconfigured"},
        additional=("definition",),
    ),
    "flow-action": Kind(
        id="number",
        created="created",
        updated="updated",
        relationships={
            "flow": _one("flow", "flow-actions"),
            "flow-messages": _reverse("flow-message", "flow-action"),
        },
    ),
    "flow-message": Kind(
        id="short",
        created="created",
        updated="updated",
        relationships={
            "flow-action": _one("flow-action", "flow-messages"),
            "template": _one("template"),
            "image": _one("image"),
        },
    ),
    "form": Kind(
        id="short",
        created="created_at",
        updated="updated_at",
        relationships={"form-versions": _reverse("form-version", "form", always=True)},
        defaults={"status": "draft", "ab_test": False},
    ),
    "form-version": Kind(
        id="number",
        created="created_at",
        updated="updated_at",
        relationships={"form": _one("form", "form-versions")},
    ),
    "geofence": Kind(),
    "image": Kind(id="number", updated="updated_at", defaults={"hidden": False}),
    "import-error": Kind(id="uuid"),
    "ip-allowlist": Kind(),
    "list": Kind(
        id="short",
        created="created",
        updated="updated",
        relationships={
            "profiles": _many("profile", "lists"),
            "tags": _many("tag", "lists", owner=False),
            "flow-triggers": _many("flow"),
        },
        defaults={"opt_in_process": "single_opt_in"},
        additional=("profile_count",),
    ),
    "mapped-metric": Kind(
        updated="updated", relationships={"metric": _one("metric"), "custom-metric": _one("custom-metric")}
    ),
    "metric": Kind(
        id="short",
        created="created",
        updated="updated",
        relationships={
            "flow-triggers": _many("flow"),
            "metric-properties": _reverse("metric-property", "metric"),
        },
    ),
    "metric-property": Kind(
        id="uuid", relationships={"metric": _one("metric", "metric-properties")}, additional=("sample_values",)
    ),
    "object-ingestion-log": Kind(
        id="uuid",
        relationships={
            "object-type": _one("object-type", "object-ingestion-logs"),
            "object-record": _one("object-record"),
        },
        default_sort="-timestamp",
    ),
    "object-record": Kind(relationships={"object-type": _one("object-type", "object-records")}),
    "object-schema": Kind(
        relationships={
            "object-type": _one("object-type", "schema-versions"),
            "source-mapping": _one("source-mapping"),
            "object-schemas": _reverse("object-schema-link", "owner"),
            "profile-object-schemas": _reverse("profile-object-schema", "owner"),
            "linked-by": _reverse("object-schema-link", "to"),
        },
        defaults={"description": "", "status": "draft", "properties": [], "required": [], "published_at": None},
    ),
    "object-schema-link": Kind(
        relationships={"owner": _one("object-schema"), "to": _one("object-schema")}, shown_as="object-schema"
    ),
    "object-type": Kind(
        created="created_at",
        updated="updated_at",
        relationships={
            "current-schema": _one("object-schema"),
            "draft-schema": _one("object-schema"),
            "schema-versions": _reverse("object-schema", "object-type"),
            "object-types": _reverse("object-type-link", "owner"),
            "profile-object-types": _reverse("profile-object-type", "owner"),
            "linked-by": _reverse("object-type-link", "to"),
            "object-records": _reverse("object-record", "object-type"),
            "object-ingestion-logs": _reverse("object-ingestion-log", "object-type"),
        },
        defaults={"description": "", "status": "undefined", "namespace": "custom-objects", "visibility": "private"},
        hidden=("visibility",),
    ),
    "object-type-link": Kind(
        relationships={"owner": _one("object-type"), "to": _one("object-type")}, shown_as="object-type"
    ),
    "profile": Kind(
        created="created",
        updated="updated",
        relationships={
            "lists": _many("list", "profiles", owner=False),
            "segments": _many("segment", "profiles", owner=False),
            "push-tokens": _reverse("push-token", "profile"),
            "conversation": _reverse("conversation", "profile", many=False),
            "conversations": _reverse("conversation", "profile"),
        },
        defaults={"properties": {}},
        additional=("subscriptions", "predictive_analytics"),
        hidden=("_kx",),
    ),
    "profile-bulk-import-job": Kind(
        id="job",
        created="created_at",
        relationships={
            "lists": _many("list", always=True),
            "profiles": _many("profile"),
            "import-errors": _many("import-error", self_link=False),
        },
        default_sort="-created_at",
    ),
    "profile-suppression-bulk-create-job": Kind(
        id="job",
        created="created_at",
        relationships={"lists": _many("list", always=True), "segments": _many("segment", always=True)},
        default_sort="-created_at",
    ),
    "profile-suppression-bulk-delete-job": Kind(
        id="job",
        created="created_at",
        relationships={"lists": _many("list", always=True), "segments": _many("segment", always=True)},
        default_sort="-created_at",
    ),
    "profile-object-schema": Kind(relationships={"owner": _one("object-schema")}, shown_as="profile-object-schema"),
    "profile-object-type": Kind(relationships={"owner": _one("object-type")}, shown_as="profile-object-type"),
    "push-token": Kind(
        created="created",
        relationships={"profile": _one("profile", "push-tokens")},
        defaults={"enablement_status": "AUTHORIZED", "background": "AVAILABLE", "metadata": {}},
    ),
    "review": Kind(
        id="number",
        created="created",
        updated="updated",
        relationships={"events": _many("event"), "item": _one("catalog-item")},
    ),
    "segment": Kind(
        id="short",
        created="created",
        updated="updated",
        relationships={
            "profiles": _many("profile", "segments"),
            "tags": _many("tag", "segments", owner=False),
            "flow-triggers": _many("flow"),
        },
        defaults={"is_active": True, "is_processing": False, "is_starred": False},
        additional=("profile_count",),
    ),
    "source-mapping": Kind(defaults={"property_mappings": [], "relationship_mappings": []}),
    "tag": Kind(
        id="uuid",
        relationships={
            "tag-group": _one("tag-group", "tags"),
            "lists": _many("list", "tags"),
            "segments": _many("segment", "tags"),
            "campaigns": _many("campaign", "tags"),
            "flows": _many("flow", "tags"),
        },
        unique=("name",),
    ),
    "tag-group": Kind(
        id="uuid",
        relationships={"tags": _reverse("tag", "tag-group")},
        unique=("name",),
        defaults={"exclusive": False, "default": False},
    ),
    "template": Kind(
        id="short",
        created="created",
        updated="updated",
        defaults={"html": "", "text": ""},
        additional=("definition",),
    ),
    "template-universal-content": Kind(
        id="uuid",
        created="created",
        updated="updated",
        defaults={"screenshot_status": "completed", "screenshot_url": "https://example.com/screenshot.png"},
    ),
    "tracking-setting": Kind(id="short"),
    "web-feed": Kind(id="number", created="created", updated="updated", defaults={"status": None}, unique=("name",)),
    "webhook": Kind(
        created="created_at",
        updated="updated_at",
        relationships={"webhook-topics": _many("webhook-topic", always=True, links=False)},
        defaults={"enabled": True, "description": None},
        hidden=("secret_key",),
        missing="Not found.",
    ),
    "webhook-topic": Kind(),
    **{
        f"catalog-{noun}-bulk-{verb}-job": _job(name, f"catalog-{noun}")
        for noun, name in (("item", "items"), ("variant", "variants"), ("category", "categories"))
        for verb in ("create", "update", "delete")
    },
    "coupon-code-bulk-create-job": _job("coupon-codes", "coupon-code", links=True),
}
"""Resource type → what is known of it."""

LINKS: Mapping[str, str] = {
    "object-schemas": "object-schema-link",
    "profile-object-schemas": "profile-object-schema",
}
"""Relationship of a custom object's schema → the type that its members are kept as."""

IDENTIFIERS = ("email", "phone_number", "external_id", "anonymous_id", "_kx")
"""Attributes of a profile of which each value belongs to one profile."""

MAPPED_METRICS = (
    "added_to_cart",
    "cancelled_sales",
    "ordered_product",
    "refunded_sales",
    "revenue",
    "started_checkout",
    "viewed_product",
)
"""Ids that mapped metrics may have."""

WEBHOOK_TOPICS = (
    "event:klaviyo.bounced_email",
    "event:klaviyo.clicked_email",
    "event:klaviyo.clicked_sms",
    "event:klaviyo.dropped_email",
    "event:klaviyo.marked_email_as_spam",
    "event:klaviyo.opened_email",
    "event:klaviyo.received_email",
    "event:klaviyo.received_sms",
    "event:klaviyo.sent_sms",
    "event:klaviyo.subscribed_to_email",
    "event:klaviyo.subscribed_to_list",
    "event:klaviyo.subscribed_to_sms",
    "event:klaviyo.unsubscribed_from_email",
    "event:klaviyo.unsubscribed_from_list",
    "event:klaviyo.unsubscribed_from_sms",
)
"""Topics that every account has; ``event:api.<metric>`` comes with the metrics that events make."""
