"""A user's own factors of the life cycle."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_node.energy.boards import load_board
from edge_node.energy.sourced import Figure, SourceError, Unknown
from experiments.resolve.factors import own_factors, table

OWN = """name = "ours"
[embodied.device-life]
value = 1.5e8
unit = "s"
source = "our inventory"
[embodied.raspberry-pi-5]
value = 20000
unit = "g"
source = "maker"
[embodied.jetson-nano]
value = "unknown"
unit = "g"
source = "asked, not answered"
"""


def test_own_factors_are_read_by_subject(tmp_path: Path) -> None:
    path = tmp_path / "factors.toml"
    path.write_text(OWN)
    found = own_factors(path)
    assert found["embodied"]["device-life"] == Figure(1.5e8, "s", "our inventory")
    assert found["embodied"]["jetson-nano"] == Unknown("g", "asked, not answered")
    assert "raspberry-pi-4b" not in table("embodied")
    assert isinstance(load_board("raspberry-pi-4b").embodied, Figure)


LIFE = '[embodied.device-life]\nvalue = 4\nunit = "s"\nsource = "x"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LIFE.replace("life", "lief"), "device-lief is no factor; embodied has battery"),
        (LIFE.replace('"s"', '"years"'), "is in years; allowed is s"),
        (LIFE.replace("4", "0"), "is 0; a device serves longer"),
        (LIFE.replace('unit = "s"\n', ""), "device-life has no unit; write it as text"),
        (LIFE.replace("4", "-4"), "finite number >= 0"),
        (LIFE.replace("embodied.device-life", "fuels.coal"), "has 'fuels'; allowed are tables"),
        ('[uncertainty.intensity]\nvalue = "unknown"\nunit = "fraction"\nsource = "x"', "it needs a value"),
        ('[embodied]\nlife = "long"', "embodied.life is text"),
        ("[embodied\n", "is no TOML"),
    ],
)
def test_what_is_no_factor_is_refused_in_a_sentence(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "factors.toml"
    path.write_text(text)
    with pytest.raises(SourceError, match=message):
        own_factors(path)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no file"):
        own_factors(tmp_path / "none.toml")
    with pytest.raises(SourceError, match="is a folder or a device"):
        own_factors(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(SourceError, match="save it as UTF-8"):
        own_factors(tmp_path / "latin.toml")
