"""Resources by name: what every operation gives, made by hand for a test, written to and read from."""

from __future__ import annotations

from typing import assert_type

from klaviyo_async import UNSET, Klaviyo, models
from klaviyo_async.resources import (
    CampaignMessage,
    Event,
    List,
    Profile,
    ProfileAttributes,
    ProfileIdentifier,
    ProfileRelationships,
    PushTokenIdentifier,
    PushTokenToMany,
)


def greet(profile: Profile) -> str:
    return f"Hello {profile.attributes.first_name or 'you'}"


def channel(message: CampaignMessage) -> str:
    return message.attributes.channel or "email"


async def one_class_whoever_gives_it(klaviyo: Klaviyo) -> None:
    created = await klaviyo.profiles.create_profile(email="sarah@example.com")
    greet(created.data)
    greet((await klaviyo.profiles.get_profile("01GD")).data)
    greet((await klaviyo.events.get_profile_for_event("4vRpBT")).data)
    async for member in klaviyo.lists.get_profiles_for_list("Y6nRLr"):
        assert_type(member, Profile)
        print(greet(member), member.id.upper(), member.attributes.email, member.links.self_)
    async for event in klaviyo.events.get_events(include=["profile"]):
        assert_type(event, Event)
    page = await klaviyo.lists.get_lists()
    assert_type(page.data, list[List])
    assert_type(page.links.next, str | None)
    ids = await klaviyo.lists.get_profile_ids_for_list("Y6nRLr")
    assert_type(ids.data, list[ProfileIdentifier])


def made_by_hand(email: str | None) -> Profile:
    tokens = PushTokenToMany(data=[PushTokenIdentifier(id="1"), PushTokenIdentifier(id="2")])
    place = models.ProfileLocation(city="Boston", country=UNSET, zip=None)
    return Profile(
        id="01GD",
        attributes=ProfileAttributes(email=email, location=place),
        relationships=ProfileRelationships(push_tokens=tokens),
    )


def a_schema_of_a_resource_is_the_resource(profile: models.ProfileResponseObjectResource) -> Profile:
    assert_type(profile, Profile)
    return profile


def written(body: models.ProfileUpsertQueryAttributes | None = None) -> models.ProfileUpsertQueryAttributes:
    return body or models.ProfileUpsertQueryAttributes(email="sarah@example.com", first_name=None, title=UNSET)
