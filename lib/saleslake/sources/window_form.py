"""The window as an API wants it: since and until written so that no record of the window is left out.

Where the form shows less than a microsecond, or the clock of its zone shows one hour twice, `since` is written
earlier and `until` later: records that come although they are known cost nothing, and others would be missed for ever.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from saleslake import date_writing
from saleslake.config import Api

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_MILLISECOND = timedelta(milliseconds=1)


def written(text: str, api: Api, *, later: bool) -> str:
    """A moment, given as ISO 8601, as `since_format` and `since_time_zone` say; `later`: on the side of the future."""
    if api.since_format == "iso" and api.since_time_zone == "UTC":
        return text
    moment = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
    moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    if api.since_format in ("epoch_s", "epoch_ms"):
        unit = _SECOND if api.since_format == "epoch_s" else _MILLISECOND
        whole, rest = divmod(moment - _EPOCH, unit)
        return str(whole + (1 if later and rest else 0))
    local = _local(moment, ZoneInfo(api.since_time_zone), later)
    if api.since_format == "iso":
        return local.isoformat(timespec="microseconds")
    if api.since_format == "iso_seconds":
        return _rounded(local, _SECOND, later).isoformat(timespec="seconds").replace("+00:00", "Z")
    return date_writing.write(_rounded(local, date_writing.unit(api.since_format), later), api.since_format)


def _local(moment: datetime, zone: ZoneInfo, later: bool) -> datetime:
    try:
        local = moment.astimezone(zone)
        first, second = local.replace(fold=0), local.replace(fold=1)
        twice = (first.utcoffset() or timedelta()) - (second.utcoffset() or timedelta())
        if local.fold == later and twice > timedelta():
            # The server may take it for the other of two equal clock times, and leave an hour of records out.
            local = (moment + twice if later else moment - twice).astimezone(zone)
    except OverflowError:  # in the first or last hours of the calendar
        return moment
    return local


def _rounded(local: datetime, unit: timedelta, later: bool) -> datetime:
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    clock = local.replace(tzinfo=None)
    rest = (clock - midnight) % unit
    if not rest:
        return local
    try:
        return (clock - rest + (unit if later else timedelta())).replace(tzinfo=local.tzinfo)
    except OverflowError:
        return local
