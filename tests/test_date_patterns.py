"""Which datetime patterns are refused before anything is read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from saleslake.config import Settings
from saleslake.date_patterns import problem
from saleslake.errors import ConfigError

GOOD = [
    "dd.MM.yyyy HH:mm", "yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]", "d MMM yyyy", "h:mm a 'o''clock' yyyy-MM-dd", "yyyyMMdd",
]  # fmt: skip
BAD = {
    "": "it is empty",
    "YYYY-MM-dd": "letter 'Y' does not read dates (text goes between single quotes)",
    "EEE, d MMM yyyy": "letter 'E' does not read dates (text goes between single quotes)",
    "yyyy-MM-ddTHH:mm": "letter 'T' does not read dates (text goes between single quotes)",
    "yyyy-MM-dd'T": "a single quote is never closed",
    "yyyy-MM-ddd": "'ddd' has the wrong number of letters",
    "yyyy-MM-dd V": "'V' has the wrong number of letters",
    "yyyy-MM-dd]": "']' without '['",
    "yyyy[-MM": "'[' is never closed",
    "yyyy-MM-dd z": "letter 'z' does not read dates (text goes between single quotes)",
    "yyyy-MM-dd G": "letter 'G' does not read dates (text goes between single quotes)",
    "yyyy#MM": "'#' is reserved",
}


@pytest.mark.parametrize("pattern", GOOD)
def test_a_pattern_that_reads_dates_is_accepted(pattern: str) -> None:
    assert problem(pattern) is None


@pytest.mark.parametrize("pattern", BAD)
def test_a_pattern_that_is_refused_is_told_with_its_reason(pattern: str) -> None:
    assert problem(pattern) == BAD[pattern]


def test_the_configuration_names_the_source_of_a_bad_pattern(make_settings: Callable[[str], Settings]) -> None:
    source = '[sources.tills]\nentity = "users"\nformat = "csv"\npath = "x"\ndate_formats = ["iso", "DD.MM.YYYY"]'
    with pytest.raises(ConfigError, match=r"sources\.tills\.date_formats: .*'DD\.MM\.YYYY'.*letter 'Y'"):
        make_settings(source)
