"""Settings of rules; part of `config`, from which everything else imports them."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from saleslake.config_api import Strict

Severity = Literal["error", "discard", "warn"]
"""What becomes of a record that breaks a rule: quarantined for a person to look at; quarantined and closed by the rule; kept."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


class CustomRule(Strict, BaseModel):
    """A rule of the project's own: a condition that every record of an entity must keep."""

    name: str
    """What `reasons` or `warnings` of a record that breaks it say; no rule of ours."""
    condition: str = Field(min_length=1, max_length=1000)
    """What must hold, in SQL over the columns of the silver table. The rule is broken where it is false, not where it is unknown."""
    severity: Severity = "error"
    message: str = ""
    """What `details` of such a record say; default: the condition."""

    @field_validator("name")
    @classmethod
    def _named_well(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError(
                f"{value!r} must be lower-case letters, digits and _, begin with a letter, and have 63 at most"
            )
        return value


class EntityRules(BaseModel):
    """`[rules.<entity>]`: severities by the name of the rule, and `custom`, the project's own rules."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Severity] = Field(init=False)

    custom: tuple[CustomRule, ...] = ()

    @property
    def severities(self) -> dict[str, Severity]:
        """Of our rules."""
        return dict(self.__pydantic_extra__ or {})
