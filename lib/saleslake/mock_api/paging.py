"""A query to a page: window, pagination style and form, and the body they make."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from saleslake.mock_api.records import Records, read_time

_STYLES = ("page", "offset", "cursor")
_CONTENT_TYPES = {"data": "application/json", "array": "application/json", "jsonl": "application/x-ndjson"}
_BAD_ELEMENTS = ["42", "null", '"not a record"', "[]", "{}"]


class BadQuery(ValueError):
    """A query the API answers with 400; the message says what is wrong."""


@dataclass(frozen=True)
class Query:
    """What one request asks for, checked."""

    params: dict[str, str]
    style: str
    form: str
    limit: int
    start: int

    @property
    def page(self) -> int:
        """Number of the page, from 1."""
        return self.start // self.limit + 1


@dataclass(frozen=True)
class Body:
    """A page as it is sent, and its next link."""

    content: bytes
    content_type: str
    next_url: str | None


def read_query(text: str, page_size: int, max_page_size: int | None) -> Query:
    """Read a query string; a `limit` beyond `max_page_size` is capped as real APIs do. Raises BadQuery."""
    params = dict(parse_qsl(text, keep_blank_values=True))
    limit = _number(params, "limit", page_size, least=1)
    limit = min(limit, max_page_size) if max_page_size else limit
    form = params.get("form", "data")
    if form not in _CONTENT_TYPES:
        raise BadQuery(f"form {form!r} is none of {', '.join(_CONTENT_TYPES)}")
    for name in ("since", "until"):
        if name in params and read_time(params[name]) is None:
            raise BadQuery(f"{name} {params[name]!r} is no ISO 8601 time")
    style = next((name for name in _STYLES if name in params), "cursor")
    if style == "page":
        start = (_number(params, "page", 1, least=1) - 1) * limit
    elif style == "offset":
        start = _number(params, "offset", 0, least=0)
    else:
        start = _position(params["cursor"]) if params.get("cursor") else 0
    return Query(params, style, form, limit, start)


def make_body(
    query: Query,
    records: Records,
    url: str,
    *,
    malformed: bool = False,
    next_url: str | None = None,
    last_again: bool = False,
) -> Body:
    """The page that a query asks for. `url` is the endpoint's; `malformed`, `next_url` and `last_again` are faults."""
    window = [read_time(query.params[name]) if name in query.params else None for name in ("since", "until")]
    found = records.between(*window)
    start = query.start
    if last_again and start >= len(found):
        start = max(0, len(found) - 1) // query.limit * query.limit
    end = start + query.limit
    texts = found[start:end]
    cursor = None
    if end < len(found):
        cursor = _cursor(end)
        next_url = next_url or f"{url}?{urlencode(_following(query, end))}"
    if malformed:
        texts = texts[:1] + _BAD_ELEMENTS + texts[1:]
    return Body(_content(query.form, texts, next_url, cursor, len(found)), _CONTENT_TYPES[query.form], next_url)


def _content(form: str, texts: list[str], next_url: str | None, cursor: str | None, total: int) -> bytes:
    if form == "jsonl":
        # a text spread over lines (from a pretty-printed file) cannot stay so
        lines = [text if "\n" not in text else json.dumps(json.loads(text), ensure_ascii=False) for text in texts]
        return "".join(f"{line}\n" for line in lines).encode()
    array = "[" + ",\n".join(texts) + "]"
    if form == "array":
        return array.encode()
    rest = f'"next": {json.dumps(next_url)}, "next_cursor": {json.dumps(cursor)}, "total": {total}'
    return f'{{"data": {array}, {rest}}}'.encode()


def _following(query: Query, end: int) -> dict[str, str]:
    position = {"page": str(query.page + 1), "offset": str(end), "cursor": _cursor(end)}[query.style]
    return query.params | {"limit": str(query.limit), query.style: position}


def _number(params: dict[str, str], name: str, default: int, least: int) -> int:
    text = params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) >= least):
        raise BadQuery(f"{name} {text!r} is no number of {least} or more")
    return int(text)


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(f"at:{position}".encode()).decode()


def _position(cursor: str) -> int:
    try:
        name, _, position = base64.urlsafe_b64decode(cursor.encode()).decode().partition(":")
    except ValueError:
        raise BadQuery(f"cursor {cursor!r} is none of ours") from None
    if name != "at" or not position.isdecimal():
        raise BadQuery(f"cursor {cursor!r} is none of ours")
    return int(position)
