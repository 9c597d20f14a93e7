"""What a site writes in YAML, as plain values with the line of every entry."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from endplate.errors import InputError

Place = tuple[str, ...]
"""Place of an entry in the file: the keys and positions that lead to it."""


class YamlText:
    """One YAML text.

    Parameters
    ----------
    name:
        What errors call it.
    content:
        Its bytes.
    code:
        Code of its errors.

    Raises
    ------
    InputError
        Not YAML (with the line), an alias, or a value that is no number, text, list or table.
    """

    dates_as_text = False
    """Whether a date that stands without quotation marks is read as its ISO text, or refused."""

    def __init__(self, name: str, content: bytes, code: str) -> None:
        self.name = name
        self.code = code
        self.lines: dict[Place, int] = {}
        self.values: Any = self._plain(self._parse(content), (), set())

    def fault(self, place: Iterable[object], what: str, do: str) -> InputError:
        """The error for one entry, with the line of the nearest part that stands in the file."""
        return fault_at(self.code, self.name, self.lines, place, what, do)

    def _parse(self, content: bytes) -> Any:
        try:
            return YAML(typ="rt", pure=True).load(content)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f", line {mark.line + 1}" if mark is not None else ""
            problem = str(error.problem or error.context or "not YAML").splitlines()[0]
            raise InputError(
                self.code,
                f"{self.name}{where}: {problem}.",
                do="Correct the YAML there (indent with spaces, one `key: value` a line, no key twice).",
            ) from error
        except (YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
            raise InputError(
                self.code, f"{self.name} is not a YAML text.", do="Save it as a UTF-8 YAML file."
            ) from error

    def _plain(self, node: Any, place: Place, seen: set[int]) -> Any:
        """Plain values of a node. Aliases are refused, so the tree cannot grow or turn back on itself."""
        if isinstance(node, CommentedMap | CommentedSeq):
            if id(node) in seen:
                raise self.fault(place, "an alias is used.", "Write the entry out; aliases are not read.")
            seen.add(id(node))
        if isinstance(node, CommentedMap):
            table = {}
            for key, entry in node.items():
                here = (*place, str(key))
                self.lines[here] = node.lc.key(key)[0] + 1
                table[str(key)] = self._plain(entry, here, seen)
            return table
        if isinstance(node, CommentedSeq):
            items = []
            for index, entry in enumerate(node):
                here = (*place, str(index))
                self.lines[here] = node.lc.item(index)[0] + 1
                items.append(self._plain(entry, here, seen))
            return items
        if node is None or isinstance(node, bool):
            return node
        for kind in (int, float, str):
            if isinstance(node, kind):
                return kind(node)
        if self.dates_as_text and isinstance(node, dt.date):
            return node.isoformat()
        raise self.fault(
            place, "this value is not a number, text, list or table.", "Put texts in quotation marks."
        )


def fault_at(
    code: str, name: str, lines: Mapping[Place, int], place: Iterable[object], what: str, do: str
) -> InputError:
    """The error for one entry of a YAML text, with the line of the nearest part that stands in it."""
    where = tuple(str(part) for part in place)
    while where and where not in lines:
        where = where[:-1]
    line = f", line {lines[where]}" if where else ""
    return InputError(code, f"{name}{line}: {what}", do=do)


def nearest(name: str, known: Iterable[str]) -> str:
    """``" (did you mean X?)"`` for the nearest known name, or the empty text."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""
