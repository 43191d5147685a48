"""From text to documents: YAML and JSON files, with the line at which each object begins, Lists opened.

A document that is broken is a value, so that it spoils no other and all of them can be named at once.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgspec
import yaml

_BOM = b"\xef\xbb\xbf"
_MARK = re.compile(r"^(?:---|\.\.\.)(?=\s|$)", re.MULTILINE)
_CONTENT = re.compile(r"^(?:---[ \t]+)?(?!---\s|---$)[ \t]*[^\s#%]", re.MULTILINE)
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_Loader: type[yaml.SafeLoader] = type(
    "_Loader",
    (getattr(yaml, "CSafeLoader", yaml.SafeLoader),),
    {
        "yaml_implicit_resolvers": {
            first: [(tag, pattern) for tag, pattern in found if tag != _TIMESTAMP]
            for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }
    },
)
"""YAML as Kubernetes reads it: what JSON does not have, such as a moment, is text."""


@dataclass(frozen=True)
class Document:
    """One value, and the file and line (from 1) at which it begins."""

    value: Any
    file: str
    line: int


@dataclass(frozen=True)
class Broken:
    """A document that cannot be understood, and why."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        """Return `file:line: reason`."""
        return f"{self.file}:{self.line}: {self.reason}"


def documents(file: str, data: bytes) -> Iterator[Document | Broken]:
    """Yield what a file holds, in order; `file` is how it is called, whose ending `.json` forbids YAML."""
    data = data.removeprefix(_BOM)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        yield Broken(file, line, f"this is not UTF-8: {error.reason}")
        return
    if file.endswith(".json") or text.lstrip()[:1] in ("{", "["):
        found = _json(file, data, text)
        if file.endswith(".json") or not any(isinstance(one, Broken) for one in found):
            yield from found
            return
    yield from _yaml(file, text)


def _items(value: Any) -> Sequence[Any] | None:
    """Return what a List or an array holds; None where the value is an object of its own."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict) and str(value.get("kind", "")).endswith("List"):
        items = value.get("items")
        return items if isinstance(items, list) else [] if items is None else None
    return None


def _named(item: Any, inside: Any) -> Any:
    """Return an item of a typed List (`RoleList`) with the kind that the API server leaves out there."""
    kind = inside["kind"].removesuffix("List") if isinstance(inside, Mapping) else ""
    if not kind or not isinstance(item, dict) or "kind" in item:
        return item
    return {"apiVersion": inside.get("apiVersion"), "kind": kind, **item}


def _json(file: str, data: bytes, text: str) -> list[Document | Broken]:
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return [*_json_stream(file, text)]
    items = _items(value)
    if items is None:
        return [Document(value, file, _line(text))]
    lines = _json_lines(data, isinstance(value, list))
    return [
        inner
        for item, line in zip(items, lines, strict=True)
        for inner in _opened(Document(_named(item, value), file, line))
    ]


class _RawList(msgspec.Struct):
    items: list[msgspec.Raw] | None = None


def _json_lines(data: bytes, array: bool) -> Iterator[int]:
    """Yield the line at which each item of a List, or of an array, begins."""
    if array:
        pieces = msgspec.json.decode(data, type=list[msgspec.Raw])
    else:
        pieces = msgspec.json.decode(data, type=_RawList).items or []
    line, before, end = 1, 0, 0
    for piece in pieces:
        item = bytes(piece)
        start = data.index(item, end)
        line += data.count(b"\n", before, start)
        before, end = start, start + len(item)
        yield line


def _opened(document: Document) -> Iterator[Document]:
    """Yield a document, or what stands in it where it is a List."""
    items = _items(document.value)
    if items is None:
        yield document
    for item in items or ():
        yield from _opened(Document(_named(item, document.value), document.file, document.line))


def _line(text: str) -> int:
    return text.count("\n", 0, len(text) - len(text.lstrip())) + 1


def _json_stream(file: str, text: str) -> Iterator[Document | Broken]:
    """Yield JSON values that stand one after another, up to the first that is broken."""
    decoder, position = json.JSONDecoder(), 0
    while (begin := re.compile(r"\S").search(text, position)) is not None:
        line = text.count("\n", 0, begin.start()) + 1
        try:
            value, position = decoder.raw_decode(text, begin.start())
        except json.JSONDecodeError as error:
            yield Broken(file, error.lineno, f"this is not JSON: {error.msg}")
            return
        except RecursionError:
            yield Broken(file, line, "this is nested too deeply")
            return
        yield from _opened(Document(value, file, line))


def _yaml(file: str, text: str) -> Iterator[Document | Broken]:
    """Yield what each document holds; a marker at the start of a line always ends the one before."""
    starts = [0, *(mark.start() for mark in _MARK.finditer(text)), len(text)]
    line = 1
    for start, end in pairwise(starts):
        chunk = text[start:end].removeprefix("...")
        if _CONTENT.search(chunk):
            yield from _yaml_document(file, chunk, line)
        line += text.count("\n", start, end)


def _yaml_document(file: str, chunk: str, line: int) -> Iterator[Document | Broken]:
    """Yield one document, whose text begins at `line`."""
    try:
        loader = _Loader(chunk)
        try:
            node = loader.get_single_node()
            if node is not None:
                for value, mark in _constructed(loader, node):
                    yield Document(value, file, line + mark.line)
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as error:
        yield Broken(file, line + chunk.count("\n", 0, error.position), f"this is not YAML: {error.reason}")
    except yaml.MarkedYAMLError as error:
        where = error.problem_mark or error.context_mark
        yield Broken(file, line + (where.line if where else 0), f"this is not YAML: {error.problem}")
    except RecursionError:
        yield Broken(file, line, "this is nested too deeply")
    except (yaml.YAMLError, ValueError) as error:
        yield Broken(file, line, f"this is not YAML: {error}")


def _constructed(loader: yaml.SafeLoader, node: yaml.Node) -> Iterator[tuple[Any, yaml.Mark]]:
    """Yield the values that a node stands for, and where each begins; a List is opened."""
    fields = _fields(node)
    kind, items = fields.get("kind"), fields.get("items")
    if isinstance(node, yaml.SequenceNode):
        inside, pieces = None, node.value
    elif isinstance(items, yaml.SequenceNode) and kind is not None and str(kind.value).endswith("List"):
        version = fields.get("apiVersion")
        inside, pieces = {"kind": kind.value, "apiVersion": version and version.value}, items.value
    else:
        yield loader.construct_document(node), node.start_mark
        return
    for piece in pieces:
        for value, mark in _constructed(loader, piece):
            yield _named(value, inside), mark


def _fields(node: yaml.Node) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
