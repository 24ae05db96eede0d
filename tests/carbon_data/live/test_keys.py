"""Keys from the environment, or from a file that its owner alone can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from carbon_data.live.keys import FILE_VARIABLE, Keys, MissingKeyError
from carbon_data.types import DataError

NAME = "EIA_API_KEY"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "keys.toml"
    path.write_text(f'{NAME} = "from-file"\n', encoding="utf-8")
    path.chmod(0o600)
    monkeypatch.setenv(FILE_VARIABLE, str(path))
    monkeypatch.delenv(NAME, raising=False)
    return path


def test_the_environment_goes_before_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Keys().get(NAME) == "from-file"
    monkeypatch.setenv(NAME, "from-environment")
    assert Keys().get(NAME) == "from-environment"


def test_a_file_that_others_can_read_is_refused(file: Path) -> None:
    file.chmod(0o644)
    with pytest.raises(DataError, match="chmod 600"):
        Keys().get(NAME)


@pytest.mark.parametrize(
    "text", ["EIA_API_KEY = secret-x", "EIA_API_KEY = 12345678", 'EIA_API_KEY = "sécret"']
)
def test_a_broken_file_is_named_and_its_content_is_not(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as raised:
        Keys().get(NAME)
    assert NAME in str(raised.value)
    assert "cret" not in str(raised.value)
    assert "12345678" not in str(raised.value)


def test_an_absent_key_says_both_places(file: Path) -> None:
    with pytest.raises(MissingKeyError, match=f"OTHER .*{file}"):
        Keys().get("OTHER")


def test_known_keys_are_hidden_also_where_they_are_quoted() -> None:
    keys = Keys({NAME: "a/b+c"})
    keys.get(NAME)
    keys.keep_secret("token")
    assert keys.hidden("?api_key=a%2Fb%2Bc, a/b+c and token") == "?api_key=***, *** and ***"
