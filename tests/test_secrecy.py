"""Secrets that the configuration names are hidden in every spelling, and nothing else is."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest

from saleslake.config import Settings
from saleslake.secrecy import hider

Make = Callable[[str], Settings]
SHOP = (
    '[sources.shop]\nentity = "orders"\nformat = "api"\n[sources.shop.api]\nurl = "https://shop.example/o?sig=in-url-1"\n'
    'params = { api_key = "in-params-1", status = "any-status" }\n'
    'auth = { kind = "basic", username_env = "SHOP_USER", password_env = "SHOP_PASSWORD" }\n'
    '[alerts.webhook]\nurl_env = "HOOK"\n'
)


@pytest.mark.parametrize("secret", ["pass/wörd+1", 'quo"ted\\', "plain-secret"])
def test_a_secret_is_hidden_however_it_is_spelled(
    secret: str, make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", secret)
    hide = hider(make_settings(SHOP))
    assert hide(f"<{secret}>") == "<***>"
    assert hide(f"<{quote(secret, safe='')}>") == "<***>"
    assert secret not in json.loads(hide(json.dumps({"a": secret})))["a"]
    for user in ("", "u", "us", "user"):
        pair = base64.b64encode(f"{user}:{secret}".encode()).decode()
        before, _, after = hide(pair).partition("***")
        assert len(before) <= 7, "of the user"
        assert len(after.rstrip("=")) <= 1, "half a character of the secret"


@pytest.mark.parametrize(
    ("variable", "value", "text", "hidden"),
    [
        ("SALESLAKE_POSTGRES_DSN", "postgresql://me:p%40ss-1@db:5432/shop", "me p@ss-1 db shop", "me *** db shop"),
        ("SALESLAKE_POSTGRES_DSN", "host=db password='pass-1' dbname=shop", "pass-1 of shop", "*** of shop"),
        ("SALESLAKE_POSTGRES_DSN", "postgresql://db/shop", "postgresql://db/shop", "postgresql://db/shop"),
        ("SALESLAKE_POSTGRES_DSN", "postgresql://me:x@[", "postgresql://me:x@[ fails", "*** fails"),
        ("KAFKA_SASL_JAAS_CONFIG", 'Module required username="me" password="pass-1";', "me pass-1", "me ***"),
        ("HOOK", "https://hooks.example/services/T0/B0/tail-1", "url: /services/T0/B0/tail-1", "url: ***"),
        (
            "HOOK",
            "https://hooks.example/services/T0/B0/tail-1",
            "no tail-1 at hooks.example",
            "no *** at hooks.example",
        ),
        ("AWS_SECRET_ACCESS_KEY", "aws-secret-1", "aws-secret-1", "***"),
        ("SHOP_USER", "saleslake", "saleslake", "saleslake"),
        ("SHOP_PASSWORD", "abc", "abc, the alphabet", "abc, the alphabet"),
        ("SOMETHING_ELSE", "else-value-1", "else-value-1", "else-value-1"),
        ("ANY", "1", "sig=in-url-1, api_key=in-params-1, any-status", "sig=***, api_key=***, any-status"),
    ],
)
def test_what_is_secret_is_hidden_and_what_is_not_stays(
    variable: str, value: str, text: str, hidden: str, make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert hider(make_settings(SHOP))(text) == hidden
