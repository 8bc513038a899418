"""What a record means. In: the text of a record as bronze keeps it. Out: typed values and the rules it breaks.

Pure Python over Arrow batches: it knows no engine, no table's content, no clock and no file, so every engine says the same.
"""

import zoneinfo

# Rules of time zones are those of the pinned tzdata, not those of the machine: a verdict must not depend on where it falls.
zoneinfo.reset_tzpath(to=())
