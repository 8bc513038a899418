"""Settings: what is wrong is refused by name; the environment overrides; secrets lie outside."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from saleslake import config
from saleslake.config import DEFAULT_CONFIG, Settings
from saleslake.entry import open_settings
from saleslake.errors import ConfigError
from tests.conftest import write_config

Make = Callable[[str], Settings]
USERS = '[sources.s]\nentity = "users"\nformat = "csv"\npath = "u.csv"\n'
ORDERS = '[sources.s]\nentity = "orders"\nformat = "jsonl"\npath = "o.jsonl"\n'
API = '[sources.s]\nentity = "orders"\nformat = "api"\n[sources.s.api]\nurl = "http://localhost/o"\n'

WRONG = {
    "an unknown section": ("[spices]\nx = 1\n" + USERS, r"spices: Extra inputs"),
    "an unknown key of a section": ("[run]\ntimeout = 1\n" + USERS, r"run\.timeout: Extra inputs"),
    "an unknown key of a source": (USERS + "seperator = ';'\n", r"sources\.s\.seperator: Extra inputs"),
    "no source": ("[run]\n", r"sources: Field required"),
    "a number that is none": ('[run]\nlock_timeout_seconds = "soon"\n' + USERS, r"run\.lock_timeout_seconds: .*number"),
    "a negative lag": (
        "[run]\nwatermark_lag_seconds = -1\n" + USERS,
        r"run\.watermark_lag_seconds: .*greater than or equal to 0",
    ),
    "a format that is none": (USERS.replace('"csv"', '"xml"'), r"sources\.s\.format: .*'csv'"),
    "a source without a path": (USERS.replace('path = "u.csv"', ""), r"sources\.s: .*format 'csv' needs a path"),
    "an API without a table": (
        '[sources.s]\nentity = "orders"\nformat = "api"\n',
        r"sources\.s: .*needs an \[api\] table with a url",
    ),
    "an API keyed by line": (
        API.replace('"api"\n[', '"api"\nkey = "line"\n['),
        r"sources\.s: .*key 'line' is for files",
    ),
    "a delimiter of two": (USERS + 'delimiter = ";;"\n', r"sources\.s\.delimiter: .*one character"),
    "a line break as quote": (USERS + 'quote = "\\n"\n', r"sources\.s\.quote: .*no line break"),
    "a setting that is gone": (
        USERS + "multiline = false\n",
        r"sources\.s: .*multiline is no setting any more: leave it out, quoted line breaks are always read$",
    ),
    "a quote of two": (USERS + "quote = \"''\"\n", r"sources\.s\.quote: .*one character and no line break, or empty"),
    "no delimiter": (USERS + 'delimiter = ""\n', r"sources\.s\.delimiter: .*one character and no line break$"),
    "an escape of two": (USERS + "escape = '\\\\'\n", r"sources\.s\.escape: .*one character"),
    "the quote as escape": (USERS + "escape = '\"'\n", r"sources\.s: .*escape = '\"' is the quote: leave it out"),
    "a delimiter that is the quote": (USERS + "quote = ','\n", r"sources\.s: .*delimiter = ',' is the quote or escape"),
    "an escape of JSON": (ORDERS + "escape = '\\'\n", r"sources\.s: .*escape is for csv and events_csv, .*'jsonl'"),
    "fewer lines than none to skip": (USERS + "skip_lines = -1\n", r"sources\.s\.skip_lines: .*greater than or equal"),
    "lines of JSON to skip": (
        ORDERS + "skip_last = 1\n",
        r"sources\.s: .*skip_last is for csv, .*'jsonl': leave it out",
    ),
    "mappings that contradict each other": (
        ORDERS + 'mapping = { user_id = "customer", promo = "customer.promo" }\n',
        r"sources\.s\.mapping: 'customer' is read as a value, but another mapping, 'customer\.promo', goes through it",
    ),
    "an encoding that is none": (USERS + 'encoding = "utf-9"\n', r"sources\.s\.encoding: .*unknown encoding 'utf-9'"),
    "a zone that is none": (
        USERS + 'time_zone = "Mars/Olympus"\n',
        r"sources\.s\.time_zone: .*unknown time zone 'Mars/Olympus'",
    ),
    "a severity that is none": (
        USERS + '[rules.users]\nextra_fields = "ignore"\n',
        r"rules\.users\.extra_fields: .*'error', 'discard' or 'warn'",
    ),
    "a source name that names no table": (
        USERS.replace("sources.s", "sources.S-1"),
        r"source name 'S-1' must be lower-case",
    ),
    "auth without its variable": (API + 'auth = { kind = "bearer" }\n', r"auth: .*'bearer' needs token_env"),
    "TOML that is none": ("[run\n", r"saleslake\.toml: "),
    "an entity that is none": (
        USERS.replace('"users"', '"visits"'),
        r"sources\.s\.entity: no entity 'visits'; there are: orders, products, stock, transactions, users",
    ),
    "rules of no entity": (USERS + "[rules.visits]\n", r"rules\.visits: no entity 'visits'"),
    "a mapping of no column": (
        USERS + 'mapping = { mail = "m" }\n',
        r"sources\.s\.mapping\.mail: users has no such column; it has: country, created_at, email, updated_at, user_id",
    ),
    "a default of no column": (
        USERS + 'defaults = { mail = "m" }\n',
        r"sources\.s\.defaults\.mail: users has no such column",
    ),
    "a version of no column": (
        USERS + 'version = "email"\n',
        r"sources\.s\.version: 'email' is not one of: updated_at, created_at",
    ),
    "users keyed by line": (
        USERS + 'key = "line"\n',
        r"sources\.s\.key: 'line' is for transactions; users needs its own key",
    ),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_refused_by_file_and_setting(text: str, message: str, make_settings: Make) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        make_settings(text)
    assert "saleslake.toml: " in str(refused.value)
    assert "\n" not in str(refused.value).strip()


def test_every_wrong_setting_is_named_at_once(make_settings: Make) -> None:
    with pytest.raises(ConfigError) as refused:
        make_settings("[run]\nx = 1\ny = 2\n" + USERS)
    assert "run.x: " in str(refused.value)
    assert "run.y: " in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"configuration file not found: .*/gone\.toml; name one with --config"):
        config.load(tmp_path / "gone.toml")


def test_the_environment_overrides_every_setting(make_settings: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALESLAKE__RUN__LOCK_TIMEOUT_SECONDS", "30")
    monkeypatch.setenv("SALESLAKE__RUN__AMOUNT_TOLERANCE", "0.02")
    monkeypatch.setenv("SALESLAKE__SOURCES__S__TIME_ZONE", "Asia/Kolkata")
    monkeypatch.setenv("SALESLAKE__CHANNELS", '{"www": "web"}')
    settings = make_settings("[run]\nlock_timeout_seconds = 5\nwatermark_lag_seconds = 7\n" + USERS)
    assert (settings.run.lock_timeout_seconds, settings.run.watermark_lag_seconds) == (30, 7)
    assert settings.run.amount_tolerance == Decimal("0.02")
    assert (settings.sources["s"].time_zone, settings.sources["s"].path) == ("Asia/Kolkata", ["u.csv"])
    assert settings.channels == {"www": "web"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("SALESLAKE__RUN__TYPO", "1"), ("SALESLAKE__RUN__LOCK_TIMEOUT_SECONDS", "soon"), ("SALESLAKE__CHANNELS", "{")],
)
def test_a_wrong_override_is_refused(
    name: str, value: str, make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError):
        make_settings(USERS)


def test_the_file_is_named_by_the_argument_else_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_config(tmp_path, USERS)
    monkeypatch.setenv("SALESLAKE_CONFIG", str(path))
    assert config.load().config_file == path
    assert config.load(DEFAULT_CONFIG).config_file == DEFAULT_CONFIG


def test_relative_paths_are_relative_to_the_root_and_that_to_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf").mkdir()
    file = tmp_path / "conf" / "my.toml"
    file.write_text(USERS)
    monkeypatch.chdir("/")
    monkeypatch.setenv("IN", "/mnt/in")
    settings = config.load(file)
    assert (settings.root, settings.data) == (tmp_path, str(tmp_path / "data"))
    assert settings.resolve("a/b.csv") == str(tmp_path / "a/b.csv")
    assert settings.resolve("/abs/b.csv") == "/abs/b.csv"
    assert settings.resolve("$IN/b.csv") == "/mnt/in/b.csv"
    assert settings.resolve("~/b.csv") == str(Path.home() / "b.csv")
    assert settings.resolve("s3a://bucket/b.csv") == "s3a://bucket/b.csv"


def test_both_spellings_of_a_dotted_mapping_mean_the_same(make_settings: Make) -> None:
    inline = make_settings(
        ORDERS + 'mapping = { "user_id" = "customer.id", "items.quantity" = "n", "items.sku" = "code" }\n'
    )
    table = make_settings(
        ORDERS + '[sources.s.mapping]\nuser_id = "customer.id"\nitems.quantity = "n"\nitems.sku = "code"\n'
    )
    assert (
        inline.sources["s"].mapping
        == table.sources["s"].mapping
        == {"user_id": "customer.id", "items.quantity": "n", "items.sku": "code"}
    )


def test_a_path_may_be_one_or_many(make_settings: Make) -> None:
    assert make_settings(USERS).sources["s"].path == ["u.csv"]
    assert make_settings(USERS.replace('"u.csv"', '["a", "b/*.csv"]')).sources["s"].path == ["a", "b/*.csv"]


def test_windows_are_asked_of_apis_of_facts_unless_set_otherwise(make_settings: Make) -> None:
    assert make_settings(API).sources["s"].is_incremental
    assert not make_settings(API.replace('"orders"', '"products"')).sources["s"].is_incremental
    assert (
        not make_settings(API.replace("[sources.s.api]", "incremental = false\n[sources.s.api]"))
        .sources["s"]
        .is_incremental
    )
    assert not make_settings(ORDERS + "incremental = true\n").sources["s"].is_incremental


def test_a_secret_comes_from_the_environment_else_from_dot_env_and_is_never_shown(
    make_settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(USERS)
    (tmp_path / ".env").write_text("MY_TOKEN=from-file\n")
    assert settings.secret("MY_TOKEN", "x").get_secret_value() == "from-file"
    monkeypatch.setenv("MY_TOKEN", "from-environment")
    secret = settings.secret("MY_TOKEN", "x")
    assert secret.get_secret_value() == "from-environment"
    assert "from" not in f"{secret} {secret!r}"


def test_a_missing_secret_names_setting_variable_and_where_to_put_it(
    make_settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MY_TOKEN", raising=False)
    settings = make_settings(USERS)
    with pytest.raises(ConfigError) as refused:
        settings.secret("MY_TOKEN", "sources.s.api.auth.token_env")
    assert str(refused.value) == (
        f"{tmp_path / 'saleslake.toml'}: sources.s.api.auth.token_env names the environment variable MY_TOKEN, "
        f"which is not set: export it or put it into {tmp_path / '.env'}"
    )


def test_the_sample_configuration_is_sound() -> None:
    assert set(open_settings(str(DEFAULT_CONFIG)).sources) >= {
        "orders_api",
        "users",
        "products_csv",
        "transactions",
        "stock",
    }
