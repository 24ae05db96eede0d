"""The disclosure as page, JSON and words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from experiments.cli import invoke
from experiments.disclosure.entry import Entry
from experiments.disclosure.statement import DATA, PAGE, disclosure_of, range_text, value_text
from experiments.errors import UsageError
from tests.browser import BASH, CHROMIUM, WHY_NOT, Browser
from tests.page_checks import read_everywhere, use_every_control


@pytest.fixture(scope="module")
def folder(small_comparison: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("disclosed") / "deta-s0"
    shutil.copytree(small_comparison / "deta-s0", place)
    return place


def test_the_command_writes_a_page_and_prints_what_its_json_holds(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["disclose", str(folder), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    page, data = Path(printed.pop("page")), Path(printed.pop("data"))
    assert (page.name, data.name) == (PAGE, DATA)
    assert json.loads(data.read_text()) == printed
    for section in ("sci_for_ai", "scope_2", "network"):
        for figure in printed[section]["figures"].values():
            assert (figure["value"] is None) == bool(figure["reason"])
            assert figure["source"]
            assert figure["how"]
    text = page.read_text()
    assert "<script" not in text
    assert "http" not in text.split("Data and their licences")[0]
    assert invoke(["ledger", "verify", str(folder)]) == 0, "the run itself is not changed"


@pytest.mark.skipif(CHROMIUM is None or BASH is None, reason=WHY_NOT)
def test_the_page_unfolds_and_can_be_read_on_any_screen(folder: Path, tmp_path: Path) -> None:
    page = disclosure_of(folder).write(tmp_path / "page")
    with Browser(tmp_path / "browser") as browser:
        assert {one["kind"] for one in use_every_control(browser, page.absolute().as_uri())} >= {"summary"}
        read_everywhere(browser, page.absolute().as_uri())


def test_a_comparison_and_damaged_books_are_refused_before_anything_is_written(
    small_comparison: Path, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="is a comparison"):
        disclosure_of(small_comparison)
    damaged = tmp_path / "damaged"
    shutil.copytree(folder, damaged, ignore=shutil.ignore_patterns("disclosure"))
    told = json.loads((damaged / "metadata.json").read_text())
    told["ledger"]["head"] = "0" * 64
    (damaged / "metadata.json").write_text(json.dumps(told))
    with pytest.raises(UsageError, match="ledger verify"):
        disclosure_of(damaged)
    assert invoke(["disclose", str(damaged)]) == 2
    assert not (damaged / "disclosure").exists()


def test_values_are_told_in_the_size_people_read() -> None:
    entry = Entry("k", "k", 0.00083, "g CO2e per 1,000 inferences", "h", "s", low=0.0005, high=0.002)
    assert value_text(entry).endswith("µg CO2e per 1,000 inferences")
    assert range_text(entry) == "0.500 to 2.00\u202fmg"
    assert value_text(Entry("k", "k", 0.125, "fraction", "h", "s")).startswith("12.5")
    assert value_text(Entry("k", "k", None, "fraction", "h", "s", reason="why")) == "–"
