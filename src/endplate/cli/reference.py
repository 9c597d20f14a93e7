"""The reference pages that come from the code: the command line, and the schema of every JSON document."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from endplate.cli.app import PROGRAM, command
from endplate.errors import EndplateError

EXIT_CODES = {
    0: "ok",
    1: "internal error",
    2: "usage: the command is contradictory or incomplete, or the output folder cannot be used",
    3: "unreadable or unsupported input",
    4: "the input fails a quality gate",
    5: "no safe plan",
    6: "a solver did not converge",
    130: "interrupted",
}

PREFACE = """# Command line

Made from the code by `make docs`; do not edit.

Every verb takes `--json` (one JSON document on stdout and nothing else there), `-q` and `-v`. Progress and
notes go to stderr, and `NO_COLOR` is honoured. A finished stage of a case is used again; `--force` makes it
anew.
`endplate --install-completion` sets up completion for your shell (verbs, options, level names).

| exit code | meaning |
|---|---|
"""

AFTER_CODES = """
Exits 4, 5 and 6 still print what was found. With `--json` every failure adds
`{"error": {"code", "what", "intact", "do"}}` to the document.
"""


def pages() -> dict[str, str]:
    """Every generated page by its path under ``docs/``."""
    return {"cli.md": command_page(), **{f"schema/{name}.json": text for name, text in schemas()}}


def write_pages(docs: Path) -> list[Path]:
    """Write every generated page under ``docs`` and return their paths."""
    written = []
    for name, text in pages().items():
        path = docs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def command_page() -> str:
    """The command line as Markdown, from the commands' own help."""
    codes = "".join(f"| {code} | {meaning} |\n" for code, meaning in EXIT_CODES.items())
    verbs = "\n".join(_verb(name, verb) for name, verb in command().commands.items())
    return f"{PREFACE}{codes}{AFTER_CODES}\n{verbs}"


def schemas() -> Iterator[tuple[str, str]]:
    """Name and text of the JSON schema of every document."""
    from endplate.anatomy.model import Document, Spine
    from endplate.case.manifest import Manifest
    from endplate.case.scan import ScanRecord
    from endplate.fluoroscopy.album import Xrays
    from endplate.labelling.outputs_document import LabelDocument
    from endplate.mechanics.levels import CaseStrength
    from endplate.mechanics.strength_model import StrengthDocument
    from endplate.outcome.model import Treatment
    from endplate.planning.model import Plan
    from endplate.procedure.document import ProcedureDocument
    from endplate.synthetic.virtual_fracture_model import FractureTruth

    documents: dict[str, type[Document]] = {
        "assess": Spine,
        "plan": Plan,
        "manifest": Manifest,
        "scan": ScanRecord,
        "label": LabelDocument,
        "strength": StrengthDocument,
        "case-strength": CaseStrength,
        "xray": Xrays,
        "fracture": FractureTruth,
        "procedure": ProcedureDocument,
        "outcome": Treatment,
    }
    for name, model in documents.items():
        yield f"{name}-1", _json(model.model_json_schema(by_alias=True, mode="serialization"))
    yield "run-1", _json(_run_schema())
    yield "error-1", _json(_error_schema())


def _verb(name: str, verb: Any) -> str:
    positional = [item for item in verb.params if item.param_type_name == "argument"]
    options = [item for item in verb.params if item.param_type_name == "option" and item.name != "help"]
    usage = " ".join([PROGRAM, name, *(_placeholder(item) for item in positional), "[OPTIONS]"])
    rows = [*((_placeholder(item), item) for item in positional), *((_flags(item), item) for item in options)]
    table = "".join(
        f"| `{_cell(flags)}` | {_cell(item.help or '')}{_default(item)} |\n" for flags, item in rows
    )
    head = f"## `{name}`\n\n    {usage}\n\n{_paragraphs(verb.help or '')}\n\n"
    return f"{head}| option | meaning |\n|---|---|\n{table}"


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))


def _placeholder(item: Any) -> str:
    return str(item.metavar)


def _flags(item: Any) -> str:
    names = ", ".join(sorted(item.opts, key=len))
    off = " / " + ", ".join(item.secondary_opts) if item.secondary_opts else ""
    value = "" if item.is_flag else f" {item.metavar}"
    return f"{names}{off}{value}"


def _default(item: Any) -> str:
    default = item.default
    if callable(default) or default in (None, False, "", ()) or item.param_type_name == "argument":
        return ""
    return f" (default: {'on' if default is True else default})"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _run_schema() -> dict[str, Any]:
    from endplate.case.run import RUN_SCHEMA

    return {
        "$comment": "What `endplate run --json` prints; a part that is not there yet is null.",
        "title": "Run",
        "type": "object",
        "required": ["schema", "assess", "plan", "strength", "treat", "case"],
        "properties": {
            "schema": {"const": RUN_SCHEMA},
            "assess": {"anyOf": [{"$ref": "assess-1.json"}, {"type": "null"}]},
            "plan": {"anyOf": [{"$ref": "plan-1.json"}, {"type": "null"}]},
            "strength": {"anyOf": [{"$ref": "case-strength-1.json"}, {"type": "null"}]},
            "treat": {"anyOf": [{"$ref": "outcome-1.json"}, {"type": "null"}]},
            "case": {
                "type": "object",
                "description": "Names of the case's files, relative to its folder.",
                "required": ["files"],
                "properties": {"files": {"type": "array", "items": {"type": "string"}}},
            },
            "error": {"$ref": "error-1.json#/properties/error"},
        },
    }


def _error_schema() -> dict[str, Any]:
    keys = list(EndplateError("code", "what", do="do").to_json()["error"])
    return {
        "$comment": "What a failure prints with --json; exits 4, 5 and 6 add it to the document.",
        "title": "Error",
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": keys,
                "properties": {key: {"type": "string"} for key in keys},
                "additionalProperties": False,
            }
        },
    }


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for page in write_pages(Path(sys.argv[1])):
        sys.stdout.write(f"{page}\n")
