"""What a file is that is no text, by the bytes it begins with: an archive or workbook that was given a wrong name."""

from __future__ import annotations

LOOKED_AT = 512

_BEGINNINGS = (
    (b"\x1f\x8b", "gzip data inside gzip data"),  # one layer is unpacked before this is asked
    (b"PK\x05\x06", "an empty zip archive"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ\x00", "xz data"),
    (b"\x28\xb5\x2f\xfd", "Zstandard data"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or other Office file (xls)"),
    (b"PAR1\x15", "a Parquet file"),
    (b"%PDF-", "a PDF"),
)
_BZIP2_BLOCKS = (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90")


def kind(start: bytes) -> str:
    """What it is, as a phrase with its article; empty if it may be text. `start`: at least the first `LOOKED_AT` bytes."""
    if start.startswith(b"PK\x03\x04"):
        is_office = any(name in start[:LOOKED_AT] for name in (b"[Content_Types].xml", b"_rels/", b"xl/"))
        return "an Excel workbook (xlsx) or other Office file" if is_office else "a zip archive"
    if start[257:262] == b"ustar":
        return "a tar archive"
    for beginning, name in _BEGINNINGS:
        if start.startswith(beginning) and (beginning != b"BZh" or start[4:10] in _BZIP2_BLOCKS):
            return name
    return ""
