"""The progress bar, drawn on a console that records its output."""

import re
import sys
import threading
import time
from io import StringIO

import pytest
from rich.console import Console
from rich.progress import DownloadColumn

from experiments import progress
from experiments.progress import progress_bar, watching, watching_part


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
    assert re.search(r"elapsed \d:\d\d:\d\d remaining", line)
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


def test_without_a_console_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(None) as bar:
        bar.advance(bar.add_task("running", total=2))
    assert capsys.readouterr() == ("", "")


def test_a_part_has_a_line_of_its_own_from_its_first_word_to_its_end(console: Console) -> None:
    with progress_bar(console) as bar:
        bar.add_task("running", total=24)
        with watching_part(bar, "deta seed 0") as watch:
            assert len(bar.tasks) == 1
            watch("requests of nodes", 3, 8)
            assert [(task.description, task.completed) for task in bar.tasks[1:]] == [
                ("deta seed 0: requests of nodes", 3)
            ]
        assert len(bar.tasks) == 1


def test_a_part_that_fails_leaves_no_line(console: Console) -> None:
    def fail() -> None:
        with watching_part(bar, "det seed 0") as watch:
            watch("requests of nodes", 1, 8)
            raise ZeroDivisionError

    with progress_bar(console) as bar:
        with pytest.raises(ZeroDivisionError):
            fail()
        assert not bar.tasks


@pytest.fixture
def terminal() -> Console:
    return Console(file=StringIO(), width=160, force_terminal=True, force_interactive=True)


def test_work_that_takes_long_shows_a_bar_at_a_terminal(
    terminal: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LATE_S", 0.0)
    before = sys.stdout, sys.stderr
    with watching(terminal, "reading the run") as watch:
        while "reading the run" not in written(terminal):
            time.sleep(0.01)
        assert (sys.stdout, sys.stderr) == before
        watch("harvest of nodes", 3, 4)
        while "3/4" not in written(terminal):
            time.sleep(0.01)
    assert "harvest of nodes" in written(terminal)
    assert "remaining" in written(terminal)


def test_work_that_is_over_soon_shows_none(terminal: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LATE_S", 3600.0)
    with watching(terminal) as watch:
        watch("harvest of nodes", 3, 4)
    assert written(terminal) == ""


@pytest.mark.parametrize("quiet", [False, True])
def test_no_bar_of_work_without_a_terminal(
    console: Console, terminal: Console, monkeypatch: pytest.MonkeyPatch, quiet: bool
) -> None:
    monkeypatch.setattr(progress, "LATE_S", 0.0)
    shown = terminal if quiet else console
    with watching(shown, quiet=quiet) as watch:
        watch("harvest of nodes", 3, 4)
        time.sleep(0.05)
    assert written(shown) == ""


def test_a_fault_of_the_work_passes_and_the_bar_goes(
    terminal: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LATE_S", 0.0)
    earlier = set(threading.enumerate())  # other tests may have left some
    with pytest.raises(ValueError, match="in the work"), watching(terminal, "reading the run"):
        raise ValueError("a fault in the work")
    assert not [t for t in set(threading.enumerate()) - earlier if isinstance(t, threading.Timer)]


class AtTerminal(StringIO):
    """A terminal's stream that keeps what is written."""

    def isatty(self) -> bool:
        return True


def test_what_the_work_prints_at_the_terminal_stands_above_the_bar(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "LATE_S", 0.0)
    shown, piped = AtTerminal(), StringIO()
    console = Console(file=shown, width=80, force_terminal=True, force_interactive=True)
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setattr(sys, "stderr", piped)
    with watching(console, "checking the policy"):
        while "checking the policy" not in shown.getvalue():
            time.sleep(0.01)
        print("decided")
        print("aside", file=sys.stderr)
        print("half a line", end="")
    # The bar's line is wiped before the words, which end theirs.
    assert re.search(r"\x1b\[2Kdecided\n", shown.getvalue())
    assert re.search(r"\x1b\[2Khalf a line\n", shown.getvalue())
    assert piped.getvalue() == "aside\n"
    assert (sys.stdout, sys.stderr) == (shown, piped)


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_no_bar_in_a_file_that_takes_colours(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "1")
    monkeypatch.setattr(progress, "LATE_S", 0.0)
    console = Console(file=StringIO(), width=80)
    assert console.is_terminal
    with watching(console):
        time.sleep(0.05)
    with progress_bar(console) as bar:
        bar.advance(bar.add_task("running", total=2))
        bar.console.print("[red]warning[/red]")
    assert written(console) == "\x1b[31mwarning\x1b[0m\n"


@pytest.mark.parametrize(
    ("width", "words", "detail"), [(160, True, True), (80, False, True), (60, False, False)]
)
def test_a_line_is_one_line_at_any_width_and_its_figures_are_whole(
    width: int, words: bool, detail: bool
) -> None:
    console = Console(file=StringIO(), width=width, force_terminal=False)
    with progress_bar(console) as bar:
        bar.update(
            bar.add_task("local seed 0: development", total=48, detail="12.7 mg CO2e, accuracy 94.4%"),
            completed=13,
        )
    (line,) = written(console).splitlines()
    assert len(line) <= width - 2  # a terminal writes ^C behind it
    assert re.search(r" 13/48 .*\d:\d\d:\d\d .*-:--:--", line)
    assert ("elapsed" in line, "remaining" in line) == (words, words)
    assert ("12.7 mg CO2e, accuracy 94.4%" in line) == detail


def test_what_cannot_be_counted_has_no_count_and_no_remaining_time(console: Console) -> None:
    with progress_bar(console) as bar:
        bar.add_task("writing the report", total=None, detail="")
    assert "elapsed" in written(console)
    assert not {"/?", "remaining"} & set(re.findall(r"/\?|remaining", written(console)))
