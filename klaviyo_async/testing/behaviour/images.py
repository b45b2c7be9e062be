"""Images: uploaded, from a URL or from a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_async.testing.behaviour.generic import document, same_id, wanted
from klaviyo_async.testing.behaviour.registry import handles
from klaviyo_async.testing.problems import invalid

if TYPE_CHECKING:
    from klaviyo_async.testing.call import Call, Response
    from klaviyo_async.testing.record import Record


_FORMATS = ("jpeg", "png", "gif")


@handles("upload_image_from_url")
def image_from_url(call: Call) -> Response:
    """The image is not fetched."""
    url = call.attributes["import_from_url"]
    if not url.startswith(("http://", "https://", "data:")):
        raise invalid("import_from_url must be a URL or a data URI.", pointer="/data/attributes/import_from_url")
    name = call.attributes.get("name") or url.partition("?")[0].rpartition("/")[2] or "image"
    return document(call, _image(call, name, len(url), bool(call.attributes.get("hidden"))))


@handles("upload_image_from_file")
def image_from_file(call: Call) -> Response:
    """The file's first bytes say what it is."""
    file = call.body.get("file")
    if not isinstance(file, dict):
        raise invalid("The field 'file' is required, with a file name.", pointer="/data/attributes/file")
    content: bytes = file["content"]
    name = call.body.get("name") or file["filename"]
    hidden = str(call.body.get("hidden", "false")).lower() == "true"
    kind = next(
        (
            one
            for one, mark in zip(_FORMATS, (b"\xff\xd8", b"\x89PNG", b"GIF8"), strict=True)
            if content.startswith(mark)
        ),
        None,
    )
    return document(call, _image(call, name, len(content), hidden, kind))


def _image(call: Call, name: str, size: int, hidden: bool, kind: str | None = None) -> Record:
    suffix = name.rpartition(".")[2].lower().replace("jpg", "jpeg")
    record = call.world.store.insert(
        "image",
        {
            "name": name,
            "format": kind or (suffix if suffix in _FORMATS else "png"),
            "size": size,
            "hidden": hidden,
            "image_url": "",
        },
    )
    return call.world.store.change(record, {"image_url": f"https://images.example.com/{record.id}.{suffix}"})


@handles("update_image")
def update_image(call: Call) -> Response:
    """Replaces: a name that isn't given is gone, as with the real server."""
    record = wanted(call)
    same_id(call)
    given = {"name": None, **call.attributes}
    return document(call, call.world.store.change(record, given))
