"""Profiles as the fake keeps them: who is who, how attributes merge, what consent says. Shared by all that touch them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from klaviyo_async.testing.clock import stamp
from klaviyo_async.testing.problems import Problem, invalid
from klaviyo_async.testing.resources import IDENTIFIERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klaviyo_async.testing.record import Record
    from klaviyo_async.testing.store import Store

_EMAIL = re.compile(r"[^@\s<>()\[\],;:\"\\]+@[^@\s<>()\[\],;:\"\\.]+(\.[^@\s<>()\[\],;:\"\\.]+)+")
_PHONE = re.compile(r"\+[1-9]\d{6,14}")


def find(store: Store, attributes: Mapping[str, Any], id: str | None = None) -> Record | None:
    """The profile with this id, or with any of the identifiers, in the order that Klaviyo looks."""
    if id is not None and (record := store.record("profile", id)) is not None:
        return record
    for name in IDENTIFIERS:
        record = owner(store, name, attributes.get(name))
        if record is not None:
            return record
    return None


def owner(store: Store, name: str, value: Any) -> Record | None:
    """The profile that an identifier belongs to. E-mail addresses are compared without case."""
    if value is None or value == "":
        return None
    if name == "email":
        return store.first("profile", "email~lower", str(value).lower())
    return store.first("profile", name, value)


def check(attributes: Mapping[str, Any], pointer: str = "/data/attributes") -> None:
    """Refuse an address or a number that can't be one.

    Raises:
        Problem: 400.
    """
    email, phone = attributes.get("email"), attributes.get("phone_number")
    if email is not None and not _EMAIL.fullmatch(str(email)):
        raise invalid("Invalid email address", pointer=f"{pointer}/email")
    if phone is not None and not _PHONE.fullmatch(str(phone)):
        raise invalid(
            "The phone number provided either does not exist or is ineligible to receive SMS: "
            "give it in E.164 form, for instance +15005550006.",
            pointer=f"{pointer}/phone_number",
        )


def check_identified(attributes: Mapping[str, Any], id: str | None = None, pointer: str = "/data/attributes") -> None:
    """Refuse a profile without any identifier.

    Raises:
        Problem: 400.
    """
    if id is None and not any(attributes.get(name) for name in IDENTIFIERS):
        raise invalid(
            "One of the identifiers email, phone_number, external_id or id must be provided.", pointer=pointer
        )


def check_free(store: Store, attributes: Mapping[str, Any], record: Record | None = None) -> None:
    """Refuse identifiers that belong to another profile.

    Raises:
        Problem: 409 with ``duplicate_profile_id``.
    """
    for name in IDENTIFIERS:
        taken = owner(store, name, attributes.get(name))
        if taken is not None and (record is None or taken.id != record.id):
            raise Problem(
                409,
                "A profile already exists with one of these identifiers.",
                code="duplicate_profile",
                pointer="/data/attributes",
                meta={"duplicate_profile_id": taken.id},
            )


def merged(record: Record | None, given: Mapping[str, Any], meta: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Attributes to write: what is given, with properties and location merged into what is there."""
    old = record.attributes if record is not None else {}
    result = {name: value for name, value in given.items() if name not in {"properties", "location", "meta"}}
    properties = dict(old.get("properties") or {})
    properties.update(given.get("properties") or {})
    patch = (meta or {}).get("patch_properties") or {}
    for name, values in (patch.get("append") or {}).items():
        present = _listed(properties.get(name))
        properties[name] = present + [value for value in _listed(values) if value not in present]
    for name, values in (patch.get("unappend") or {}).items():
        properties[name] = [value for value in _listed(properties.get(name)) if value not in _listed(values)]
    for name in _listed(patch.get("unset")):
        properties.pop(name, None)
    result["properties"] = properties
    if "location" in given:
        location = given["location"]
        result["location"] = None if location is None else {**(old.get("location") or {}), **location}
    return result


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def upsert(
    store: Store, attributes: Mapping[str, Any], *, id: str | None = None, meta: Mapping[str, Any] | None = None
) -> tuple[Record, bool]:
    """Find the profile or make it, with these attributes; the record, and whether it is new."""
    record = find(store, attributes, id)
    free = dict(attributes)
    if record is not None:
        for name in IDENTIFIERS:
            taken = owner(store, name, free.get(name))
            if taken is not None and taken.id != record.id:
                # the identifier stays with whom it belongs to
                del free[name]
        return store.change(record, merged(record, free, meta)), False
    return store.insert("profile", merged(None, free, meta)), True


def subscribe(
    store: Store, record: Record, channels: Mapping[str, Any], *, method: str = "API", detail: str | None = None
) -> Record:
    """Note consent for the channels of a subscription."""
    known = dict(record.attributes.get("subscriptions") or {})
    now = stamp(store.clock.time())
    for channel, purposes in channels.items():
        for purpose, given in (purposes or {}).items():
            if not isinstance(given, dict):
                continue
            entry = {
                "consent": given.get("consent", "SUBSCRIBED"),
                "consent_timestamp": given.get("consented_at") or now,
                "last_updated": now,
                "method": method,
                "method_detail": detail or "",
            }
            key = f"{channel}_transactional" if channel == "sms" and purpose == "transactional" else channel
            if channel == "email":
                entry |= {
                    "custom_method_detail": detail,
                    "double_optin": False,
                    "suppression": [],
                    "list_suppressions": [],
                }
            known[key] = {**known.get(key, {}), **entry}
    return store.change(record, {"subscriptions": known})


def unsubscribe(store: Store, record: Record, channels: Mapping[str, Any], list_id: str | None) -> Record:
    """Withdraw consent for channels, from one list or, without one, altogether."""
    known = dict(record.attributes.get("subscriptions") or {})
    now = stamp(store.clock.time())
    for channel in channels:
        entry = {**known.get(channel, {}), "consent": "UNSUBSCRIBED", "last_updated": now, "consent_timestamp": now}
        if channel == "email":
            suppression = {"reason": "UNSUBSCRIBED", "timestamp": now}
            if list_id is None:
                entry["suppression"] = [*entry.get("suppression", []), suppression]
            else:
                entry["list_suppressions"] = [*entry.get("list_suppressions", []), {"list_id": list_id, **suppression}]
        known[channel] = entry
    return store.change(record, {"subscriptions": known})


def suppress(store: Store, record: Record) -> bool:
    """Suppress a profile from e-mail; False where it was."""
    known = dict(record.attributes.get("subscriptions") or {})
    email = known.get("email", {})
    if any(one["reason"] == "USER_SUPPRESSED" for one in email.get("suppression", ())):
        return False
    now = stamp(store.clock.time())
    entry = {"reason": "USER_SUPPRESSED", "timestamp": now}
    known["email"] = {**email, "suppression": [*email.get("suppression", []), entry], "last_updated": now}
    store.change(record, {"subscriptions": known})
    return True


def unsuppress(store: Store, record: Record) -> bool:
    """Lift a suppression made by the user; False if there is none. A suppression by unsubscribing stays."""
    known = dict(record.attributes.get("subscriptions") or {})
    email = known.get("email", {})
    kept = [one for one in email.get("suppression", ()) if one["reason"] != "USER_SUPPRESSED"]
    if len(kept) == len(email.get("suppression", ())):
        return False
    known["email"] = {**email, "suppression": kept, "last_updated": stamp(store.clock.time())}
    store.change(record, {"subscriptions": known})
    return True
