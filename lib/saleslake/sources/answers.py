"""What an answer says: records, nothing, an error in spite of its status 200, or that there are no more pages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from saleslake.config import Api
from saleslake.sources.documents import Document, InvalidDocument
from saleslake.sources.http_get import Answer, Refused, TryAgain

_SHOWN = 200
_TITLE = re.compile(r"<title[^>]*>([^<]*)", re.IGNORECASE)
_TOTAL = re.compile(r"(?:[^/]*/)?\s*([0-9]{1,18})")  # `1000`, and `items 0-99/1000` of a Content-Range
_PAST_THE_LAST = ((404, "detail", "invalid page"), (400, "code", "rest_post_invalid_page_number"))
"""Status, field and beginning of its text: Django REST framework's and WordPress' answers to a page past the last."""

Split = Callable[[bytes, str], Document]
"""(body, content type) → its records. Raises InvalidDocument."""


def at_path(tree: Any, path: str) -> Any:
    """The value at a dotted path, or None. A field whose own name has dots (`@odata.nextLink`) is found as well."""
    if isinstance(tree, dict) and path in tree:
        return tree[path]
    node: Any = tree
    for name in path.split("."):
        if not isinstance(node, dict) or name not in node:
            return None
        node = node[name]
    return node


def read_answer(answer: Answer, api: Api, split: Split, records_path: str, hide: Callable[[str], str]) -> Document:
    """The records of an answer. Raises TryAgain for one that says it failed, or that cannot be read."""
    if answer.status == 204:
        return Document([])
    problem = ""
    try:
        document = split(answer.body, answer.headers.get("Content-Type", ""))
        tree = document.envelope
    except InvalidDocument as e:
        document, tree, problem = Document([]), e.envelope or {}, str(e)
    error = _error(tree, api.error_paths, hide)
    if error:
        raise TryAgain(f"HTTP {answer.status} with an error in its body, {error}")
    if problem and tree and api.missing_is_empty and at_path(tree, records_path) is None:
        return Document([], tree)
    if problem:
        raise TryAgain(f"invalid body: {_markup(answer, hide) or hide(problem)}", answer=answer)
    return document


def says_no_more(refusal: Refused, api: Api) -> bool:
    """Whether a refused request for a page after the first says that there is no such page."""
    if refusal.status in api.end_statuses:
        return True
    tree = _parsed(refusal.body)
    return any(
        refusal.status == status and str(at_path(tree, field)).lower().startswith(text)
        for status, field, text in _PAST_THE_LAST
    )


def stated_total(answer: Answer, document: Document, api: Api) -> int | None:
    """How many records there are, as the answer says; None where it does not. Raises ValueError for no number."""
    if api.total_header:
        given: Any = answer.headers.get(api.total_header, "").strip() or None
        if given and given.endswith("/*"):  # a Content-Range that does not know
            return None
    elif api.total_path:
        given = at_path(document.envelope, api.total_path)
    else:
        return None
    if given is None or given == "":
        return None
    if isinstance(given, int) and not isinstance(given, bool):
        return given if given >= 0 else None  # -1: not known
    if isinstance(given, float) and given.is_integer() and given >= 0:
        return int(given)
    found = _TOTAL.fullmatch(given.strip(" ")) if isinstance(given, str) else None
    if found is None:
        where = f"total_header {api.total_header!r}" if api.total_header else f"total_path {api.total_path!r}"
        raise ValueError(f"{where} holds no number of records but {type(given).__name__}")
    return int(found.group(1))


def _error(tree: Any, paths: list[str], hide: Callable[[str], str]) -> str:
    for path in paths:
        found = at_path(tree, path)
        if found:  # false, 0, "", [], {} and null say that there is none
            # Hidden before it is cut: half a secret is one too.
            quoted = hide(json.dumps(found, ensure_ascii=False)).encode(errors="backslashreplace").decode()[:_SHOWN]
            return f"{path!r}: {quoted} (if that is none, leave {path!r} out of api.error_paths)"
    return ""


def _markup(answer: Answer, hide: Callable[[str], str]) -> str:
    start = hide(answer.body[:4096].decode("utf-8", errors="replace")).lstrip("\ufeff \t\r\n")
    if start.startswith("<?xml"):
        return f"it is XML, not JSON: {start[:_SHOWN]!r}"
    if not start.startswith("<") and "html" not in answer.headers.get("Content-Type", "").lower():
        return ""
    title = _TITLE.search(start)
    return f"it is HTML, not JSON: {title.group(1).strip()[:_SHOWN] if title else start[:_SHOWN]!r}"


def _parsed(body: bytes) -> Any:
    try:
        # Of a number only whether it is zero matters here; int() would refuse one of 5,000 digits.
        return json.loads(body, parse_int=float)
    except (ValueError, RecursionError):
        return None
