"""Sources that would hang or slow down an import, and names that not every file system can hold."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from codegen.__main__ import main
from codegen.names import file_stem, module_name
from tests.codegen.test_hostile import REF, REVISION, accepted, attributes, document, generate, operation, schemas

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["generate"]

RESERVED = ("con", "prn", "aux", "nul", "com1", "com9", "lpt1", "lpt9")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a matter of POSIX")
@pytest.mark.parametrize("inside", [True, False])
def test_a_named_pipe_is_refused_and_not_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], inside: bool
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.json").write_text(json.dumps(document()))
    pipe = source / "b.json"
    os.mkfifo(pipe)
    given = str(source if inside else pipe)
    assert main(["import", given, "--revision", REVISION, "--specs", str(tmp_path / "specs")]) == 2
    assert f"{pipe}: is not a regular file" in capsys.readouterr().err
    assert not (tmp_path / "specs").exists()


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="needs a device that never ends")  # noqa: PTH110
def test_nor_is_a_device_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "/dev/zero", "--revision", REVISION, "--specs", str(tmp_path / "specs")]) == 2
    assert "is not a regular file" in capsys.readouterr().err


@pytest.mark.parametrize("twin", [False, True])
def test_schemas_that_take_each_other_twice_cost_no_more_than_others(generate: Any, twin: bool) -> None:
    """Doubled forty times: 2⁴⁰ merges if each was made anew."""
    spec = document()
    known = schemas(spec)
    for side in "AB":
        known[f"{side}0"] = {"type": "object", "properties": {"name": {"type": "string"}, side: {"type": "integer"}}}
        for level in range(1, 41):
            other = "AB"["BA".index(side)] if twin else side
            below = [f"{side}{level - 1}", f"{other}{level - 1}"]
            known[f"{side}{level}"] = {"allOf": [{"$ref": REF + name} for name in below]}
    spec["components"]["schemas"]["NoteResource"]["properties"]["attributes"] = {"$ref": f"{REF}A40"}
    known["NoteCreateQuery"]["properties"]["data"]["properties"]["attributes"] = {"$ref": f"{REF}B40"}
    started = time.monotonic()
    found = accepted(generate(spec))
    assert time.monotonic() - started < 120
    note = found.models.NoteResource.from_dict({"type": "note", "id": "1", "attributes": {"name": "x", "A": 1}})
    assert (note.attributes.name, note.attributes.to_dict()["A"]) == ("x", 1)


def test_names_that_windows_reserves_get_another_file(generate: Any) -> None:
    spec = document()
    operation(spec)["operationId"] = "nul"
    operation(spec, "post")["operationId"] = "com1"
    for method in ("get", "post"):
        operation(spec, method)["tags"] = ["Aux"]
    spec["tags"] = [{"name": "Aux"}]
    for name in ("Con", "Lpt1"):
        schemas(spec)[name] = {"type": "object", "properties": {"con": {"type": "string"}}}
        attributes(spec)[name] = {"$ref": REF + name}
    found = accepted(generate(spec))
    files = [*found.folder.rglob("*"), *(found.folder.parents[1] / "specs").rglob("*")]
    assert len(files) > 20
    assert not [path for path in files if path.name.partition(".")[0].lower() in RESERVED]
    assert set(found.operations) == {"nul", "com1"}
    assert found.operations["nul"].tag == "aux_"
    note = found.models.NoteResource.from_dict({"type": "note", "id": "1", "attributes": {"Con": {"con": "x"}}})
    assert note.attributes.con.con == "x"


def test_names_that_differ_by_case_only_share_no_file_twice(generate: Any) -> None:
    spec = document()
    for number, name in enumerate(("Thing", "THING", "ThinG")):
        schemas(spec)[name] = {"type": "object", "properties": {name: {"type": "string"}}}
        attributes(spec)[f"p{number}"] = {"$ref": REF + name}
    found = accepted(generate(spec))
    paths = [path.relative_to(found.folder).as_posix() for path in found.folder.rglob("*.py")]
    assert len({path.lower() for path in paths}) == len(paths)
    for name in ("Thing", "THING", "ThinG"):
        made = getattr(found.models, name).from_dict({name: "x"})
        assert made.to_dict() == {name: "x"}


def test_stems_of_files() -> None:
    for name in RESERVED:
        assert file_stem(name) == module_name(name.title()) == f"{name}_"
        assert file_stem(f"{name}_") == f"{name}__"
        assert file_stem(f"get_{name}") == f"get_{name}"
    assert file_stem("com10") == "com10"
    assert file_stem("get_profiles") == "get_profiles"
