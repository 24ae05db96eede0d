"""The progress bar, drawn on a console that records its output."""

from io import StringIO

import pytest
from rich.console import Console
from rich.progress import DownloadColumn

from experiments.progress import progress_bar


@pytest.fixture
def console() -> Console:
    return Console(file=StringIO(), width=160, force_terminal=False)


def written(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_it_shows_name_count_and_detail_as_plain_text(console: Console) -> None:
    with progress_bar(console) as bar:
        task = bar.add_task("deta seed 0", total=8, detail="")
        bar.update(task, advance=3, detail="2.10 mg CO2e, [red]1 lost[/red]")
    line = written(console)
    assert "deta seed 0" in line
    assert "3/8" in line
    assert "elapsed 0:00:00 remaining" in line
    assert "2.10 mg CO2e, 1 lost" in line


def test_a_task_needs_no_detail_and_other_columns_may_count(console: Console) -> None:
    with progress_bar(console, DownloadColumn()) as bar:
        bar.update(bar.add_task("mnist", total=2000), completed=1000)
    assert "1.0/2.0 kB" in written(console)


def test_tracking_goes_through_all_of_them_with_a_bar_and_without(console: Console) -> None:
    for shown in (console, None):
        with progress_bar(shown) as bar:
            assert list(bar.track(["a", "b"], description="drawing")) == ["a", "b"]
    assert "2/2" in written(console)


def test_quiet_draws_no_bar_and_lets_warnings_through(console: Console) -> None:
    with progress_bar(console, quiet=True) as bar:
        bar.advance(bar.add_task("running", total=2))
        bar.console.print("warning: that is far")
    assert written(console) == "warning: that is far\n"


def test_without_a_console_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    with progress_bar(None) as bar:
        bar.advance(bar.add_task("running", total=2))
    assert capfd.readouterr() == ("", "")
