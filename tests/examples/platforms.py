"""Servers that page as shops and payment providers do, two records a page whatever is asked for; strict where those are."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any

from tests.api_support import Reply
from tests.examples.support import TOKEN, Answer, Asked

Record = dict[str, Any]
SIZE = 2


def _json(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    return Reply(json.dumps(value).encode(), status, {"Content-Type": "application/json"} | (headers or {}))


def _wrong(what: str) -> Reply:
    return _json({"errors": [{"message": what}]}, 400)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _within(moment: str, since: str | None, until: str | None, *, or_at: bool = True) -> bool:
    """Whether it lies between two others, either of which may be open; `or_at`: or is one of them."""
    if any("." in each for each in (since, until) if each):
        raise ValueError("not all of them read fractions of a second")
    at = _moment(moment)
    if not or_at and moment in (since, until):
        return False
    return (not since or at >= _moment(since)) and (not until or at <= _moment(until))


def _cut(found: list[Record], cursor: str | None) -> tuple[list[Record], str | None]:
    """The page at a cursor, and the cursor of the next one; its letters are such as a URL must escape."""
    start = int(base64.b64decode(cursor.strip("+/")).decode()) if cursor else 0
    following = f"+/{base64.b64encode(str(start + SIZE).encode()).decode()}"
    return found[start : start + SIZE], following if start + SIZE < len(found) else None


def shopify_rest(orders: list[Record]) -> Answer:
    """Pages follow a Link header whose `page_info` holds the filters: they may not be sent beside it."""

    def answer(asked: Asked) -> Reply:
        query = asked.query
        if asked.headers.get("x-shopify-access-token") != TOKEN:
            return _json({"errors": "no token"}, 401)
        if asked.path != "/admin/api/2025-01/orders.json" or int(query["limit"]) > 250:
            return _wrong("path or limit")
        if "page_info" in query:
            if set(query) != {"limit", "page_info"}:
                return _wrong("filters beside page_info")
            start, since, until = json.loads(base64.urlsafe_b64decode(query["page_info"]))
        else:
            start, since, until = 0, query.get("updated_at_min"), query.get("updated_at_max")
            if query.get("status") != "any":
                return _wrong("only open orders")
        found = [order for order in orders if _within(order["updated_at"], since, until)]
        page, more = found[start : start + SIZE], start + SIZE < len(found)
        info = base64.urlsafe_b64encode(json.dumps([start + SIZE, since, until]).encode()).decode()
        before = f'<{{host}}{asked.path}?limit=2&page_info=before>; rel="previous", ' if start else ""
        link = {"Link": f'{before}<{{host}}{asked.path}?limit=2&page_info={info}>; rel="next"'} if more else {}
        return _json({"orders": page}, headers=link)

    return answer


def woocommerce(orders: list[Record]) -> Answer:
    """Numbered pages; how many orders and pages there are stands in headers."""

    def answer(asked: Asked) -> Reply:
        query = asked.query
        if asked.headers.get("authorization") != "Basic " + base64.b64encode(f"{TOKEN}:{TOKEN}".encode()).decode():
            return _json({"code": "woocommerce_rest_cannot_view", "message": "", "data": {"status": 401}}, 401)
        if asked.path != "/wp-json/wc/v3/orders" or int(query["per_page"]) > 100:
            return _wrong("path or per_page")
        since, until = query.get("modified_after"), query.get("modified_before")
        if (since or until) and query.get("dates_are_gmt") != "true":
            return _wrong("the shop's own time")
        found = sorted(orders, key=lambda order: order["id"], reverse=query.get("order") != "asc")
        found = [order for order in found if _within(order["date_modified_gmt"] + "Z", since, until, or_at=False)]
        start = (int(query["page"]) - 1) * SIZE
        pages = -(-len(found) // SIZE)
        totals = {"X-WP-Total": str(len(found)), "X-WP-TotalPages": str(pages)}
        return _json(found[start : start + SIZE], headers=totals)

    return answer


def magento(orders: list[Record]) -> Answer:
    """Numbered pages, of which the last one comes again for any number behind it; the total in the body."""
    criteria, filters = "searchCriteria", "searchCriteria[filter_groups]"

    def answer(asked: Asked) -> Reply:
        query = asked.query
        if asked.headers.get("authorization") != f"Bearer {TOKEN}" or asked.path != "/rest/V1/orders":
            return _json({"message": "The consumer isn't authorized."}, 401)
        since, until = (
            query[f"{filters}[{group}][filters][0][value]"]
            for group, condition in enumerate(("gteq", "lteq"))
            if query[f"{filters}[{group}][filters][0][field]"] == "updated_at"
            and query[f"{filters}[{group}][filters][0][condition_type]"] == condition
        )
        found = [each for each in orders if since <= each["updated_at"] <= until]
        is_ascending = query.get(f"{criteria}[sortOrders][0][direction]") == "ASC"
        found.sort(key=lambda each: each[query[f"{criteria}[sortOrders][0][field]"]], reverse=not is_ascending)
        size = min(int(query[f"{criteria}[pageSize]"]), SIZE)
        page = min(int(query[f"{criteria}[currentPage]"]), max(1, -(-len(found) // size)))
        return _json({"items": found[(page - 1) * size : page * size], "total_count": len(found)})

    return answer


def stripe(charges: list[Record], refunds: list[Record]) -> Answer:
    """Lists, newest first, that go on after the object that `starting_after` names; whether there are more is said."""

    def answer(asked: Asked) -> Reply:
        query = asked.query
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return _json({"error": {"message": "no key"}}, 401)
        if int(query["limit"]) > 100:
            return _json({"error": {"message": "limit"}}, 400)
        if asked.path == "/v1/charges":
            found = charges
        elif (asked.path, query.get("type"), query.get("expand[]")) == (
            "/v1/balance_transactions",
            "refund",
            "data.source.charge",
        ):
            found = refunds
        else:
            return _json({"error": {"message": "no such list"}}, 404)
        since, until = int(query.get("created[gt]", "0")), int(query.get("created[lte]", "9999999999"))
        found = [each for each in found if since < each["created"] <= until]
        ids = [each["id"] for each in found]
        start = ids.index(query["starting_after"]) + 1 if "starting_after" in query else 0
        more = start + SIZE < len(found)
        return _json({"object": "list", "url": asked.path, "has_more": more, "data": found[start : start + SIZE]})

    return answer


def square(payments: list[Record]) -> Answer:
    """A cursor in the body as long as there are more; nothing at all where there is nothing."""

    def answer(asked: Asked) -> Reply:
        query = asked.query
        if asked.headers.get("authorization") != f"Bearer {TOKEN}" or asked.path != "/v2/payments":
            return _json({"errors": [{"category": "AUTHENTICATION_ERROR", "code": "UNAUTHORIZED"}]}, 401)
        if "begin_time" not in query or query.get("sort_field") != "UPDATED_AT" or int(query["limit"]) > 100:
            return _wrong("only the last year, by creation")
        since, until = query.get("updated_at_begin_time"), query.get("updated_at_end_time")
        found = [each for each in payments if _within(each["updated_at"], since, until)]
        page, following = _cut(found, query.get("cursor"))
        return _json(({"payments": page} if page else {}) | ({"cursor": following} if following else {}))

    return answer


def amazon(orders: list[Record]) -> Answer:
    """A token in the payload as long as there are more."""

    def answer(asked: Asked) -> Reply:
        query = asked.query
        if asked.headers.get("x-amz-access-token") != TOKEN or asked.path != "/orders/v0/orders":
            return _json({"errors": [{"code": "Unauthorized", "message": "no token"}]}, 403)
        if not query.get("MarketplaceIds") or int(query["MaxResultsPerPage"]) > 100:
            return _wrong("MarketplaceIds or MaxResultsPerPage")
        since, until = query.get("LastUpdatedAfter"), query.get("LastUpdatedBefore")
        if since is None and "NextToken" not in query:
            return _wrong("LastUpdatedAfter")
        found = [each for each in orders if _within(each["LastUpdateDate"], since, until)]
        page, following = _cut(found, query.get("NextToken"))
        return _json({"payload": {"Orders": page} | ({"NextToken": following} if following else {})})

    return answer
