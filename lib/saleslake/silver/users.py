"""silver.users: one row a user."""

from __future__ import annotations

from saleslake.config import Settings, Source
from saleslake.silver.contract import CDF, LINEAGE_COLUMNS, VERSION_UNREADABLE, Entity, Typing
from saleslake.silver.judge import moments, texts
from saleslake.silver.judge.reading import Fields, Read
from saleslake.silver.judge.rules import IDS, READING, TIMES, Record, Rule, cannot_be_read
from saleslake.table import STRING, TIMESTAMP, Column, Table

TABLE = Table(
    layer="silver",
    name="users",
    grain="one row a user, by its winning version",
    keys=("user_id",),
    columns=(
        Column("user_id", STRING, "key of the user", nullable=False),
        Column("email", STRING, "as given, trimmed"),
        Column("created_at", TIMESTAMP, "when the account was made, UTC"),
        Column("country", STRING, "as given, trimmed"),
        *LINEAGE_COLUMNS,
    ),
    constraints={"key_given": "user_id <> ''"},
    properties=CDF,
)
FIELDS = Fields(texts=("user_id", "email", "created_at", "updated_at", "country"))


class User(Record):
    """A user, typed. Moments: µs since 1970."""

    __slots__ = ("country", "created_at", "created_text", "email", "user_id", "version_is_due")
    country: str | None
    created_at: int | None
    created_text: object
    email: str | None
    user_id: str | None
    version_is_due: bool


def typing(source: Source, settings: Settings) -> Typing:
    """How the users of a source are typed."""
    moment = moments.reader(source.date_formats, source.time_zone)
    identifier = texts.identifiers(settings.run.longest_key)
    plausible = moments.span(*settings.run.plausible_dates)

    def typed(read: Read, file: str, ordinal: int) -> User:
        user_id, email, created, updated, country = read.values
        user = User(read, identifier(user_id))
        user.user_id = user.key
        user.check_id("user_id", user.key)
        user.email, user.country = texts.trimmed(email), texts.trimmed(country)
        user.created_at, user.created_text = moment(created), created
        user.version_is_due = bool(source.version)
        user.version_time = (
            None if not source.version else user.created_at if source.version == "created_at" else moment(updated)
        )
        user.check_times(*plausible, created_at=user.created_at, version=user.version_time)
        return user

    return typed


RULES = (
    *READING,
    Rule(
        "created_at_unreadable",
        "error",
        "created_at given and in none of the date formats, or in two that disagree",
        lambda u: u.created_at is None and not texts.is_blank(u.created_text),
        lambda u: cannot_be_read("created_at", u.created_text),
        fixed=True,
    ),
    VERSION_UNREADABLE,
    *IDS,
    *TIMES,
)

ENTITY = Entity(
    table=TABLE,
    fields=FIELDS,
    required=("user_id",),
    rules=RULES,
    typing=typing,
    version_columns=("updated_at", "created_at"),
)
