"""URLs as they may be requested and as they may be shown: same origin only, never a credential."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, quote_plus, unquote_plus, urlencode, urljoin, urlsplit, urlunsplit

import requests

Origin = tuple[str, str, int]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SECRET_PARAMS = re.compile(
    "((access|auth|refresh|id|api|xamzsecurity)?token|(api|subscription)?key|(client|api)?secret|password|passwd|pwd|"
    "auth|authorization|signature|sig|xamzsignature|xamzcredential)"
)


def canonical(url: str, base: str = "") -> str:
    """`url`, resolved against `base`, exactly as it will be sent: normalised, without user info and fragment.

    The sender's own normalisation runs first, so that what is compared is what is connected to: parsers
    disagree on `http://ours\\@theirs/`. Raises ValueError if it is no http(s) URL.
    """
    joined = urljoin(base, url.strip()) if base else url.strip()
    if urlsplit(joined).scheme.lower() not in _DEFAULT_PORTS:
        raise ValueError("not an http:// or https:// URL")
    prepared = requests.PreparedRequest()
    try:
        prepared.prepare_url(joined, None)
    except requests.RequestException as e:
        raise ValueError(f"not a usable URL ({type(e).__name__})") from None
    parts = urlsplit(prepared.url or "")
    netloc = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, netloc, parts.path or "/", parts.query, ""))


def origin(url: str) -> Origin:
    """Scheme, host and port: what a token may be sent to."""
    parts = urlsplit(url)
    port = _DEFAULT_PORTS.get(parts.scheme, 0) if parts.port is None else parts.port
    return parts.scheme, parts.hostname or "", port


def place(url: str) -> str:
    """Scheme, host and port in words, the port also where it is the usual one."""
    scheme, host, port = origin(url)
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def kept_at_home(url: str, home: str) -> str:
    """`url`, given by the server that answered `home`, with the scheme and port of `home`; both are canonical.

    A server behind a proxy knows neither that it is reached by https nor on which port, so its links say `http://`
    or leave the port out. Another host, another port said outright, and https where `home` is http are refused:
    raises ValueError naming both sides.
    """
    (scheme, host, port), (own_scheme, own_host, own_port) = origin(url), origin(home)
    if (scheme, host, port) == (own_scheme, own_host, own_port):
        return url
    is_vague = port in (_DEFAULT_PORTS[scheme], own_port)
    if host != own_host or not is_vague or (scheme, own_scheme) == ("https", "http"):
        raise ValueError(f"leads to {place(url)} and not to {place(home)}, where the request went: refused")
    return urlunsplit(urlsplit(url)._replace(scheme=own_scheme, netloc=urlsplit(home).netloc))


def is_loopback(url: str) -> bool:
    """Whether the URL names this machine."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def has_user_info(url: str) -> bool:
    return "@" in url.partition("://")[2].partition("/")[0]


def with_params(url: str, params: Mapping[str, str]) -> str:
    """The URL with these query parameters in place of any of the same name."""
    parts = urlsplit(url)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in params]
    return urlunsplit(parts._replace(query=urlencode([*kept, *params.items()])))


def shown(url: str) -> str:
    """The URL for logs, errors and manifests: no user info, `***` for each parameter whose name says secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(an unreadable URL)"
    query = "&".join(_hidden(item) for item in parts.query.split("&"))
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query, fragment=""))


def secret_values(url: str) -> list[str]:
    """The values of the parameters whose name says secret."""
    return [value for name, value in parse_qsl(urlsplit(url).query) if _says_secret(name)]


def without_secrets(body: bytes, url: str) -> bytes:
    """The answer to a URL, with `***` where it repeats a secret parameter of it: `api_key=…` in a link, `"api_key": "…"`.

    Links to the next page do. Only behind its name: a key like `demo` may stand anywhere else for something else.
    """
    for name, value in parse_qsl(urlsplit(url).query):
        if _says_secret(name):
            forms = {form.replace("/", slash) for form in spellings(value) for slash in ("/", r"\/")}
            values = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
            said = rf"""({re.escape(name)}(?:=|"\s*:\s*"))(?:{values})(?![\w.~%+-])"""
            body = re.sub(said.encode(), rb"\1***", body, flags=re.IGNORECASE)
    return body


def spellings(secret: str) -> set[str]:
    """A secret as it may reappear: plain and percent-encoded."""
    return {secret, quote(secret, safe=""), quote(secret), quote_plus(secret)}


def _hidden(item: str) -> str:
    name, equals, _ = item.partition("=")
    return f"{name}=***" if equals and _says_secret(name) else item


def _says_secret(name: str) -> bool:
    letters = "".join(c for c in unquote_plus(name).lower() if c.isalnum())
    return _SECRET_PARAMS.fullmatch(letters) is not None
