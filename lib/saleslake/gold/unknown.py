"""The unknown member: what a fact refers to where its record names nobody and nothing."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

UNKNOWN = "(unknown)"
"""Key of the unknown user and the unknown product, so that every join of the star finds a row."""


def or_unknown(key: Column) -> Column:
    return F.coalesce(key, F.lit(UNKNOWN))
