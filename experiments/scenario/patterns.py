"""Patterns of texts in scenarios and inventories, each with what it allows in words."""

from __future__ import annotations

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
LISTENING_HOST = r"^[A-Za-z0-9.:\[\]-]{1,253}$"
RAY_ADDRESS = r"^(auto|[A-Za-z0-9.\[\]:-]+:[0-9]{1,5})$"
SHA256 = r"^[0-9a-fA-F]{64}$"
BOARD_NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
BOARD_ADDRESS = r"^[A-Za-z0-9:][A-Za-z0-9.:-]{0,252}$"
LOGIN = r"^[A-Za-z_][A-Za-z0-9._-]{0,31}$"
PROGRAM = r"^[^\s-]\S{0,1023}$"
WORD = r"^\S{1,255}$"

ALLOWED = {
    NAME: 'one to 64 letters (a to z), digits, ".", "_" and "-", the first a letter or a digit, e.g. "my-run.2"',
    LISTENING_HOST: 'an IP address or a host name, e.g. "192.168.1.10"',
    RAY_ADDRESS: '"auto", or a host and its port, e.g. "192.168.1.10:6379"',
    SHA256: "the 64 hexadecimal digits that sha256sum prints",
    BOARD_NAME: 'one to 63 lower case letters, digits and "-", the first and last no "-", e.g. "pi-kitchen"',
    BOARD_ADDRESS: 'an IP address or a host name, e.g. "192.168.1.10"',
    LOGIN: 'a login of at most 32 letters, digits, ".", "_" and "-", the first a letter or "_", e.g. "pi"',
    PROGRAM: 'the path of a program, without spaces and with no "-" first, e.g. "detabed/.venv/bin/python"',
    WORD: "one word of at most 255 signs, without spaces",
}
"""Ends the sentence "allowed are/is ...", by pattern."""
