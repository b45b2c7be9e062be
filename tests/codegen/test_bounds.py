"""Sources that would take for ever, or that come out differently from one machine to the next."""

from __future__ import annotations

import copy
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from codegen.__main__ import main
from codegen.errors import CodegenError
from codegen.importing import importer, prose
from codegen.importing.importer import import_documents
from tests.codegen.test_mutations import rich

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECT = Path(__file__).resolve().parents[2]
REVISION = "2026-04-15"


def take(spec: dict[str, Any], tmp_path: Path) -> importer.ImportReport:
    (tmp_path / "a.json").write_text(json.dumps(spec), encoding="utf-8")
    return import_documents(tmp_path / "a.json", REVISION, tmp_path / "specs")


SLOW: dict[str, Callable[[int], str]] = {
    "numbers": lambda n: "1," * n,
    "brackets": lambda n: "[" * n,
    "links": lambda n: "[a](" * n,
    "line breaks": lambda n: "\n " * n,
    "caps": lambda n: "accepts up to 1 x " * n,
    "rates": lambda n: "Rate limits when using the `" * n,
    "sentences": lambda n: "At most 1. " * n,
    "one sentence": lambda n: "at most one " * n,
    "filters": lambda n: "Allowed field(s)/operator(s):" + "`a`:" * n,
    "fields": lambda n: "Allowed field(s)/operator(s):" + "`a`: `b`, " * n,
}


@pytest.mark.parametrize("case", SLOW)
def test_words_that_patterns_could_lose_themselves_in(case: str, tmp_path: Path) -> None:
    """The time grows with the length of the text: this would be an hour, or never, if it grew with its square."""
    spec = rich()
    text = SLOW[case](50_000)
    operation = spec["paths"]["/api/pages/"]["get"]
    operation["description"] = text
    for parameter in operation["parameters"]:
        parameter["description"] = text
    spec["components"]["schemas"]["First"]["description"] = text
    assert take(spec, tmp_path).operations == 7


def test_sentences_that_nobody_wrote_are_told(tmp_path: Path) -> None:
    spec = rich()
    spec["paths"]["/api/pages/"]["get"]["description"] = "At most " + "x" * prose._TOO_LONG
    (sentence,) = take(spec, tmp_path).sentences
    assert (sentence.why, len(sentence.text)) == ("too long to be read", 81)


def test_operations_that_all_need_all_components(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importer, "_MAX_COPIES", 1000)
    spec = rich()
    names = [f"S{number}" for number in range(100)]
    spec["components"]["schemas"] |= {name: {"type": "object"} for name in names}
    spec["components"]["schemas"]["First"]["properties"] |= {
        name: {"$ref": f"#/components/schemas/{name}"} for name in names
    }
    for number in range(20):
        found = copy.deepcopy(spec["paths"]["/api/pages/"]["get"]) | {"operationId": f"get_{number}"}
        spec["paths"][f"/api/p{number}"] = {"get": found}
    with pytest.raises(CodegenError, match="more than 1,000 components between them"):
        take(spec, tmp_path)
    assert not (tmp_path / "specs").exists()


@pytest.mark.parametrize("status", ["abc", "2xx", "20", "600", "-1"])
def test_statuses_that_are_none(status: str, tmp_path: Path) -> None:
    spec = rich()
    spec["paths"]["/api/notes"]["get"]["responses"][status] = {"description": ""}
    with pytest.raises(CodegenError, match=f"responds with '{status}', which is not a status"):
        take(spec, tmp_path)


def test_neither_the_hash_seed_nor_the_order_of_files_matters(tmp_path: Path) -> None:
    """Nor that of paths, methods, responses, components and extensions in the document."""
    spec = rich()
    found = []
    for seed in ("0", "1", "2"):
        source = tmp_path / seed
        source.mkdir()
        shuffle = random.Random(seed).sample
        paths = list(spec["paths"].items())
        for index, (path, item) in enumerate(shuffle(paths, len(paths))):
            one = copy.deepcopy(spec) | {"paths": {path: dict(shuffle(list(item.items()), len(item)))}}
            schemas = list(one["components"]["schemas"].items())
            one["components"]["schemas"] = dict(shuffle(schemas, len(schemas)))
            one = dict(shuffle(list(one.items()), len(one)))
            (source / f"{index}.json").write_text(json.dumps(one), encoding="utf-8")
        specs = tmp_path / f"specs{seed}"
        done = subprocess.run(
            [sys.executable, "-m", "codegen", "import", str(source), "--revision", REVISION, "--specs", str(specs)],
            cwd=PROJECT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        )
        files = {path.name: path.read_bytes() for path in (specs / REVISION).iterdir()}
        found.append((files, done.stdout))
    assert found[0] == found[1] == found[2]
    assert len(found[0][0]) == 7


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a matter of POSIX")
def test_pipes_among_what_is_read_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.json").write_text(json.dumps(rich()), encoding="utf-8")
    specs = tmp_path / "specs"
    arguments = [str(tmp_path / "a.json"), "--revision", REVISION, "--specs", str(specs)]
    for place in (specs / "overrides.toml", specs / REVISION / "SHA256SUMS", specs / REVISION / "old.json"):
        place.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(place)
        assert main(["fetch", "--from", *arguments]) == 2
        assert str(place) in capsys.readouterr().err
        place.unlink()
    assert main(["import", *arguments]) == 0


def test_a_report_of_what_is_refused_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}", encoding="utf-8")
    report = tmp_path / "report.txt"
    arguments = ["import", str(tmp_path / "a.json"), "--revision", REVISION, "--specs", str(tmp_path / "specs")]
    assert main([*arguments, "--report", str(report)]) == 2
    assert not report.exists()
    report.write_text("earlier", encoding="utf-8")
    assert main([*arguments, "--report", str(report)]) == 2
    assert report.read_text(encoding="utf-8") == "earlier"
