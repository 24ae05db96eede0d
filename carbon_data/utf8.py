"""Files of users that are not UTF-8: where, and what to do."""

from __future__ import annotations


def not_utf8(error: UnicodeDecodeError) -> str:
    """The rest of a sentence about a file that was read whole: "is not UTF-8 text (byte 0xe9 in line 3); ..."."""
    line = error.object.count(b"\n", 0, error.start) + 1
    return (
        f"is not UTF-8 text (byte {error.object[error.start]:#04x} in line {line}); save it as UTF-8: editors offer "
        'that as the "encoding" of a file'
    )
