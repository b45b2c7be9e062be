# ruff: noqa: B018 - what is only read is the point here
"""Readings that both type checkers have to refuse; the comment above has the kind that either gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_async.resources import Profile

if TYPE_CHECKING:
    from klaviyo_async import Klaviyo


async def refused(k: Klaviyo, profile: Profile) -> None:
    """Nothing in here may pass."""
    page = await k.profiles.get_profiles()
    # refused: attr-defined, reportAttributeAccessIssue
    profile.attributes.emial
    # refused: union-attr, reportOptionalMemberAccess
    profile.attributes.email.upper()
    # refused: union-attr, reportOptionalMemberAccess
    profile.attributes.location.city
    # refused: union-attr, reportOptionalMemberAccess
    profile.attributes.created.isoformat()
    # refused: operator, reportOperatorIssue
    profile.id + 1
    # refused: attr-defined, reportAttributeAccessIssue
    profile.email
    # refused: attr-defined, reportAttributeAccessIssue
    page.data.attributes
    # refused: union-attr, reportOptionalMemberAccess
    page.data[0].attributes.subscriptions.email
    # refused: union-attr, reportOptionalMemberAccess
    page.links.next.upper()
    # refused: attr-defined, reportAttributeAccessIssue
    (await k.lists.get_profile_ids_for_list("Y6nRLr")).data[0].attributes
    # refused: attr-defined+func-returns-value, reportAttributeAccessIssue
    (await k.lists.delete_list("Y6nRLr")).data
    # refused: arg-type+call-arg, reportCallIssue
    Profile("01GD")
    # refused: attr-defined, reportAttributeAccessIssue
    k.profiles.get_profiles().data
    # refused: attr-defined, reportGeneralTypeIssues
    [each async for each in k.profiles.get_profile("01GD")]
    # refused: attr-defined, reportAttributeAccessIssue
    k.limiter.snapshot().nothing
    # refused: attr-defined, reportAttributeAccessIssue
    k.nothing
