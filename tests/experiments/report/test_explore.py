"""Pictures that people steer: their data are the tables', and every control changes what is drawn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from experiments.report.explore import FIGURES, explored
from experiments.report.html import write_study
from experiments.report.read import Study, load
from tests.browser import BASH, CHROMIUM, WHY_NOT, Browser
from tests.page_checks import read_everywhere, use_every_control

DRAWN = "Number(document.getElementById('explore-{}').dataset.drawn || 0)"


@pytest.fixture(scope="module")
def study(small_comparison: Path) -> Study:
    return load(small_comparison)


def test_series_and_flows_are_those_of_the_tables(study: Study) -> None:
    told = explored(study)
    assert len(told["runs"]) == 4
    assert told["left_out"] == []
    for one in told["runs"]:
        run = study.runs[one["policy"]][one["seed"]]
        slots = run.tables["slots"]
        for name, _, _, how in FIGURES:
            shown = np.array(one["series"][name], dtype=float)
            assert shown.shape == (3, len(told["slots"]))
            together = np.nansum(shown) if how == "sum" else np.nanmean(shown)
            expected = slots[name].sum() if how == "sum" else slots[name].mean()
            assert together == pytest.approx(expected, rel=2e-3)
        moved = run.tables["batch_flows"].query("owner != executor")["batches"].sum()
        assert sum(amount for *_, amount in one["flows"]["batches"]) == pytest.approx(moved)


def test_a_page_has_room_for_so_many_numbers_and_names_the_rest(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.report.explore.NUMBERS_AT_MOST", 1)
    told = explored(study)
    assert len(told["runs"]) == 1
    assert len(told["left_out"]) == 3
    assert json.loads(json.dumps(told, allow_nan=False)) == told


@pytest.mark.skipif(CHROMIUM is None or BASH is None, reason=WHY_NOT)
def test_every_control_changes_the_pictures(study: Study, tmp_path: Path) -> None:
    page = write_study(study)
    assert page.stat().st_size < 3_000_000
    with Browser(tmp_path) as browser:
        browser.open(page.as_uri(), height=1600)
        for view in ("series", "flows"):
            browser.wait(DRAWN.format(view) + " === 1")
        assert browser.value("performance.getEntriesByType('resource').length") == 0, "nothing is loaded"
        controls = ("figure", "policy", "seed", "group", "flow")
        for control in controls:
            options = browser.value(f"document.getElementById('explore-{control}').options.length")
            assert options >= 2
            for option in [*range(1, options), 0]:
                before = browser.value(DRAWN.format("series"))
                browser.value(
                    f"(() => {{ const box = document.getElementById('explore-{control}'); box.selectedIndex = {option};"
                    " box.dispatchEvent(new Event('change')); return 1; })()"
                )
                browser.wait(f"{DRAWN.format('series')} > {before}")
        before = browser.value(DRAWN.format("flows"))
        browser.value(
            "(() => { const slot = document.getElementById('explore-slot'); slot.value = 3;"
            " slot.dispatchEvent(new Event('input')); return 1; })()"
        )
        browser.wait(f"{DRAWN.format('flows')} > {before}")
        assert browser.value("document.getElementById('explore-slot-text').textContent").startswith("slot 2,")
        browser.value("document.getElementById('explore-series').scrollIntoView({behavior: 'instant'}) || 1")
        ticks = "[...document.querySelectorAll('#explore-series .role-axis-label text')].map(t => t.textContent).join()"
        whole = browser.value(ticks)
        left, top, width, height = browser.value(
            "(() => { const b = [...document.querySelectorAll('#explore-series svg .background')]"
            ".map(e => e.getBoundingClientRect()).find(r => Math.round(r.height) === 46);"
            " return [b.left, b.top, b.width, b.height]; })()"
        )
        browser.drag((left + 0.2 * width, top + height / 2), (left + 0.5 * width, top + height / 2))
        browser.wait(f"{ticks} !== {json.dumps(whole)}")
        assert browser.value("document.documentElement.scrollWidth") <= 1200


@pytest.mark.processes
@pytest.mark.skipif(CHROMIUM is None or BASH is None, reason=WHY_NOT)
def test_every_control_of_a_comparison_works(study: Study, tmp_path: Path) -> None:
    page = write_study(study).absolute().as_uri()
    with Browser(tmp_path) as browser:
        used = use_every_control(browser, page)
        kinds = {one["kind"] for one in used}
        assert {"button", "select", "input range", "summary", "a within", "a download", "tip of g"} <= kinds
        read_everywhere(browser, page)


@pytest.mark.processes
@pytest.mark.skipif(CHROMIUM is None or BASH is None, reason=WHY_NOT)
def test_every_control_of_a_run_works_and_its_nodes_have_zones(
    small_comparison: Path, tmp_path: Path
) -> None:
    run = load(small_comparison / "deta-s0")
    page = write_study(run).absolute().as_uri()
    with Browser(tmp_path) as browser:
        use_every_control(browser, page)
        read_everywhere(browser, page)
        assert bare_nodes(browser, run.any_run.node_ids) == []


def bare_nodes(browser: Browser, nodes: list[str]) -> list[str]:
    """Texts of the page with a node's id and no zone: neither beside it nor in another cell of its row."""
    script = """(nodes) => {
        const bare = new RegExp(`(^|[^\\w-])(${nodes.join("|")})(?![\\w-]| ·)`), found = [];
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        for (let node = walker.nextNode(); node; node = walker.nextNode()) {
            if (node.parentElement.closest("script, style, pre, code")) continue;
            const row = node.parentElement.closest("tr");
            const zone = row && [...row.cells].some((cell) => /^[A-Z]{2}-[A-Z]/.test(cell.textContent));
            if (bare.test(node.textContent) && !zone) found.push(node.textContent.trim().slice(0, 80));
        }
        const tips = [...document.querySelectorAll("[data-tip]")].map((one) => one.dataset.tip);
        found.push(...tips.filter((tip) => bare.test(tip)));
        return [...new Set(found)];
    }"""
    return list(browser.value(f"({script})({json.dumps(nodes)})"))
