"""The page of compared runs in a real headless Chromium: what it draws, sorts, saves and says."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import shutil
import time
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from regard.compare.comparison import compare
from regard.compare.page import write_page
from regard.compare.run import read_run
from regard.compare.table import as_csv
from regard.observe.draw.contact_sheet import Captioned, write_sheet
from regard.observe.record.maps import SentenceMaps, save_maps
from regard.runs.folder import RunFolder

HOSTILE = "<script>alert(1)</script></script><b>&amp;"
CopyRun = Callable[..., RunFolder]
Ask = Callable[..., tuple[Any, list[str]]]

HELP = """
  const $$ = (selector) => [...document.querySelectorAll(selector)];
  const text = (selector) => $$(selector).map((node) => node.textContent);
  const set = (id, value) => {
    $(id).value = value;
    for (const name of ["change", "input"]) $(id).dispatchEvent(new Event(name));
  };
  const names = () => text("#runs tbody th bdi");
"""


@pytest.fixture
def ask(browser: Any) -> Ask:
    """Returns a function that opens a page and runs the body of an async function in it when all is drawn.

    It returns what the function returns, and what the console said.
    """

    def call(page: Path, script: str, **opened: Any) -> tuple[Any, list[str]]:
        asking = page.with_name("asking.html")
        code = (
            f'<pre id="answer"></pre><script>(async () => {{ {HELP} {script} }})()'
            '.then((found) => { document.getElementById("answer").textContent = JSON.stringify(found ?? null); });'
            "</script>"
        )
        asking.write_text(page.read_text("utf-8").replace("</body>", f"{code}</body>"), "utf-8")
        browser.open(asking, **opened)
        deadline = time.monotonic() + 30
        while not (answer := browser.text("#answer")):
            assert time.monotonic() < deadline, browser.console()
            time.sleep(0.02)
        return json.loads(answer), browser.console()

    return call


def rows(*values: float, **more: float) -> list[dict[str, Any]]:
    return [
        {
            "step": 10 * step,
            "validation/loss": value,
            **{name.replace("_", "/", 1): step * v for name, v in more.items()},
        }
        for step, value in enumerate(values, start=1)
    ]


def written(folder: Path, *runs: RunFolder) -> Path:
    write_page(folder / "page.html", compare([read_run(run, run.path.name) for run in runs]))
    return folder / "page.html"


@pytest.fixture
def page(tmp_path: Path, copy_run: CopyRun) -> Path:
    """Six runs, two rates by three seeds; the greater rate is better, and 'r3' has a dip."""
    losses = {1: (5, 4), 2: (5, 4.2), 3: (5, 4.4), 4: (5, 2), 5: (5, 2.2), 6: (5, 2.4)}
    runs = []
    for number, values in losses.items():
        config = {
            "seed": (number - 1) % 3,
            "batches.seed": (number - 1) % 3,
            "optimizer.lr": 0.1 if number < 4 else 0.2,
        }
        more = {"train_tokens": 1000.0, "train_seconds": 7.0} if number != 2 else {}
        runs.append(copy_run(tmp_path / f"r{number}", config, rows(*values, **more)))
    return written(tmp_path, *runs)


def test_everything_is_drawn_without_a_word_on_the_console(page: Path, ask: Ask) -> None:
    found, console = ask(
        page,
        """return { names: names(), groups: $$("#groups tbody tr").length, lines: $("curves").data.length,
                   score: text("#groups tbody tr:first-child td.number")[0], axes: $("parallel").layout.shapes.length,
                   bars: $("importance").data[0].x, labels: $$("[role=img]").map((node) => node.ariaLabel) }""",
    )
    assert console == []
    assert found["names"] == ["r4", "r5", "r6", "r1", "r2", "r3"]
    assert found["groups"] == 2
    assert found["score"] == "2.2 ± 0.2"
    assert found["lines"] == 6
    assert found["axes"] == 2, "the rate and the metric"
    assert found["bars"][0] > 0.9
    assert all(found["labels"])
    assert "the best is r4 with 2" in " ".join(found["labels"])


def test_a_click_on_a_head_sorts_and_says_so(page: Path, ask: Ask) -> None:
    found, console = ask(
        page,
        """
        const click = (title) => $$("#runs thead button").find((node) => node.textContent === title).click();
        const sorted = () => $$("#runs thead th").filter((node) => node.getAttribute("aria-sort") !== "none")
          .map((node) => [node.textContent, node.getAttribute("aria-sort")]);
        const seen = [[names(), sorted()]];
        for (const title of ["smallest validation/loss", "run", "run", "seed"]) {
          click(title);
          seen.push([names(), sorted()]);
        }
        return seen;
        """,
    )
    assert console == []
    by_loss = ["r4", "r5", "r6", "r1", "r2", "r3"]
    assert found[0] == [by_loss, [["smallest validation/loss", "ascending"]]]
    assert found[1] == [by_loss[::-1], [["smallest validation/loss", "descending"]]]
    assert found[2] == [sorted(by_loss), [["run", "ascending"]]]
    assert found[3] == [sorted(by_loss, reverse=True), [["run", "descending"]]]
    assert found[4][0] == ["r4", "r1", "r5", "r2", "r6", "r3"], "seeds, those of one seed in the order of the page"


def test_ticks_choose_what_is_drawn_and_compared(page: Path, ask: Ask) -> None:
    found, console = ask(
        page,
        """
        const count = () => $("curves").data.length;
        $$("[data-draw=none]")[0].click();
        const none = [count(), $("differences").hidden];
        $$("#runs input")[0].click(); $$("#runs input")[3].click();
        return { none, two: count(), keys: text("#differences tbody th"), heads: text("#differences thead th") };
        """,
    )
    assert console == []
    assert found["none"] == [0, True]
    assert found["two"] == 2
    assert found["heads"] == ["key", "r4", "r1"]
    assert found["keys"] == ["optimizer.lr"], "r4 and r1 share their seed"


def test_curves_go_by_step_tokens_and_time_and_are_smoothed(page: Path, ask: Ask) -> None:
    """r2 is of older code: it does not say how many tokens. 5 then 2, smoothed by 0.5: (2.5 / 2 + 2 / 2) / 0.75 = 3."""
    found, console = ask(
        page,
        """
        const lines = () => Object.fromEntries($("curves").data.filter(({ showlegend }) => showlegend !== false)
          .map(({ name, x, y }) => [name, [x, y]]));
        const seen = { step: lines() };
        set("axis", "tokens"); seen.tokens = lines(); seen.note = $("about-curves").textContent;
        set("axis", "seconds"); seen.seconds = lines();
        set("smoothing", 0.5); seen.smooth = lines();
        set("metric", "train/tokens_per_second"); seen.other = lines();
        seen.between = [5, 10, 15, 25].map((step) => between({ x: [10, 20], y: [1000, 3000] }, step));
        return seen;
        """,
    )
    assert console == []
    assert found["between"] == [500, 1000, 2000, 4000]
    assert found["step"]["r4"] == [[10, 20], [5, 2]]
    assert found["tokens"]["r4"] == [[1000, 2000], [5, 2]]
    assert "r2" not in found["tokens"]
    assert "1 runs are not plotted: their metrics.csv has no train/tokens" in found["note"]
    assert found["seconds"]["r4"] == [[7, 14], [5, 2]]
    assert found["smooth"]["r4"][1] == [5, pytest.approx(3)]
    assert found["other"] == {}


def test_every_plot_is_saved_as_svg_and_png_and_the_table_as_csv(page: Path, ask: Ask) -> None:
    found, console = ask(
        page,
        """
        const saved = [];
        HTMLAnchorElement.prototype.click = function () { saved.push([this.download, this.href]); };
        const buttons = $$("[data-plot]");
        for (const button of buttons) button.click();
        while (saved.length < buttons.length) await new Promise((done) => setTimeout(done, 20));
        let blob;  // only now: Plotly draws its pictures by such addresses too
        URL.createObjectURL = (given) => { blob = given; return "#"; };
        $("csv").click();
        return { saved, csv: await blob.text(), buttons: buttons.map((node) => node.ariaLabel) };
        """,
    )
    assert console == []
    saved = dict(found["saved"])
    for plot in ("curves", "parallel", "importance"):
        assert saved[f"{plot}.svg"].startswith("data:image/svg+xml")
        image = Image.open(io.BytesIO(b64decode(saved[f"{plot}.png"].split(",")[1]))).convert("L")
        assert image.width > 1500, "twice the size of the page's"
        assert np.asarray(image).std() > 3, "there is something on it"
    assert set(found["buttons"]) == {"Save the plot as SVG", "Save the plot as PNG"}
    assert saved["runs.csv"].endswith("#")
    table = list(csv.DictReader(io.StringIO(found["csv"])))
    assert [row["run"] for row in table] == ["r4", "r5", "r6", "r1", "r2", "r3"]
    assert [row["best validation/loss"] for row in table][:2] == ["2.0", "2.2"]


def test_hostile_text_is_shown_and_not_run(tmp_path: Path, copy_run: CopyRun, ask: Ask) -> None:
    """In the name of a run, a value, a key, a metric, a sample, a piece and a reason."""
    runs = []
    for name in ("<script>alert(1)<", "%{y}${x}"):
        run = copy_run(
            tmp_path / name,
            {"model.note": name + HOSTILE, f"model.{HOSTILE}": name},
            [{"step": 1, "validation/loss": 2, HOSTILE: 3}, {"step": 2, HOSTILE: 4}],
            status="failed",
            why=HOSTILE,
        )
        (run.path / "samples.jsonl").write_text(
            json.dumps({"step": 1, "source": HOSTILE, "reference": HOSTILE, "output": HOSTILE}) + "\n", "utf-8"
        )
        weights = np.full((2, 2, 1), 1.0, np.float32)
        maps = SentenceMaps([HOSTILE], ["<s>", HOSTILE], [HOSTILE, "</s>"], {"decoder.0.cross": weights})
        save_maps(run.attention / "step-9999999.npz", [maps])
        runs.append(run)
    found, console = ask(
        written(tmp_path, *runs),
        """
        set("metric", $$("#metric option").find(({ value }) => value.includes("script")).value);
        const canvas = $$("#samples canvas")[0];
        canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown" }));
        return { names: names(), outputs: text("#samples p"), keys: text("#runs thead th"),
                 cells: text("#runs tbody tr:first-child td"), notes: text("#notes li"),
                 legend: text("#curves .legendtext"), axis: text("#curves .ytitle"), read: text("#samples output")[0],
                 labels: text("#parallel .annotation-text"), scripts: $$("script").length,
                 bold: $$("b, #curves tspan[style*=bold]").length,
                 given: text("#given dd"), diff: text("#differences td"), title: document.title };
        """,
    )
    assert console == []
    assert set(found["names"]) == {"<script>alert(1)<", "%{y}${x}"}
    assert found["outputs"] == [HOSTILE, HOSTILE]
    assert f"model.{HOSTILE}" in found["keys"]
    assert any(cell.endswith(HOSTILE) for cell in found["cells"])
    assert all(note.endswith(HOSTILE) for note in found["notes"])
    assert set(found["legend"]) == {"<script>alert(1)<", "%{y}${x}"}
    assert found["axis"] == [HOSTILE]
    assert found["read"] == f"{HOSTILE} → {HOSTILE}: 1.00"
    assert found["given"] == [HOSTILE, HOSTILE]
    assert any(label.startswith("<script>") for label in found["labels"])
    assert any(cell.endswith(HOSTILE) for cell in found["diff"])
    assert found["scripts"] == 5, "data, plotly, the page's own two, and this one"
    assert found["bold"] == 0


def test_values_that_are_no_numbers_leave_a_gap(tmp_path: Path, copy_run: CopyRun, ask: Ask) -> None:
    run = copy_run(tmp_path / "a", rows=rows(3, math.nan, 2, math.inf))
    empty = copy_run(tmp_path / "b", rows=rows(math.nan, math.nan))
    found, console = ask(
        written(tmp_path, run, empty),
        'return { y: $("curves").data.map(({ y }) => y), names: names(), cells: text("#runs tbody td") }',
    )
    assert console == []
    assert found["y"] == [[3, None, 2, None], [None, None]]
    assert found["names"] == ["a", "b"]
    assert "2" in found["cells"]


def test_attention_of_one_sentence_stands_side_by_side_and_is_read_by_keys_and_pointer(page: Path, ask: Ask) -> None:
    found, console = ask(
        page,
        """
        const canvas = $$("#samples canvas")[0];
        const press = (key) => canvas.dispatchEvent(new KeyboardEvent("keydown", { key }));
        const said = () => text("#samples output")[0];
        press("ArrowRight"); press("ArrowRight"); press("ArrowDown");
        const keys = said();
        const box = canvas.getBoundingClientRect();
        const at = { clientX: box.left + 1.5 * box.width / canvas.width,
                     clientY: box.top + 1.5 * box.height / canvas.height };
        canvas.dispatchEvent(new PointerEvent("pointermove", at));
        const pointer = said();
        set("head", "1");
        const map = data.runs[0].maps[0];
        const head = $$("#samples canvas")[0];
        head.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown" }));
        return { count: $$("#samples canvas").length, keys, pointer, single: said(), map,
                 sizes: [canvas.width, canvas.height], outputs: text("#samples p").length };
        """,
    )
    assert console == []
    one = found["map"]
    assert found["count"] == found["outputs"] == 6
    assert found["sizes"] == [len(one["keys"]), len(one["queries"])]
    steps = np.frombuffer(b64decode(one["steps"]), np.uint8).reshape(
        one["heads"], len(one["queries"]), len(one["keys"])
    )

    def spelt(row: int, column: int, weight: float) -> str:
        query, key = (token.replace("▁", "␣") for token in (one["queries"][row], one["keys"][column]))
        return f"{query} → {key}: {weight:.2f}"

    assert found["keys"] == found["pointer"] == spelt(1, 1, steps[:, 1, 1].mean() / 255)
    assert found["single"] == spelt(0, 0, steps[1, 0, 0] / 255)


def test_a_language_model_is_compared_by_its_self_attention(
    tmp_path: Path, finished_language: RunFolder, ask: Ask
) -> None:
    found, console = ask(
        written(tmp_path, finished_language),
        'return { maps: text("#samples canvas ~ span"), sentences: $$("#sentence option").length, '
        'parameters: $("about-parallel").textContent }',
    )
    assert console == []
    assert found["maps"][0].startswith("decoder.0.self")
    assert found["sentences"] > 1
    assert found["parameters"] == "At least two runs are needed."


def test_images_of_the_same_prompt_stand_side_by_side(tmp_path: Path, copy_run: CopyRun, ask: Ask) -> None:
    runs = [copy_run(tmp_path / name) for name in ("one", "two")]
    images = [np.full((8, 8, 3), shade, np.uint8) for shade in (10, 200)]
    for run, image in zip(runs, images, strict=True):
        (run.path / "samples.jsonl").unlink()
        shutil.rmtree(run.attention)
        for step in (5, 10):
            write_sheet(run.path / f"samples/step-{step:07d}.png", [Captioned("a red circle", image)] * 2)
    found, console = ask(
        written(tmp_path, *runs),
        """await Promise.all($$("#samples img").map((image) => image.decode()));
        const [sentences, steps] = [text("#sentence option"), text("#samples span.small")];
        return { sentences, steps, shades: $$("#samples img").map((image) => {
          const canvas = new OffscreenCanvas(8, 8).getContext("2d");
          canvas.drawImage(image, 0, 0);
          return canvas.getImageData(4, 4, 1, 1).data[0];
        }) };""",
    )
    assert not console
    assert found == {"sentences": ["a red circle"], "steps": ["step 10", "step 10"], "shades": [10, 200]}


def test_nothing_leaves_the_page_and_no_text_becomes_code(page: Path, ask: Ask) -> None:
    outside = [match for match in re.findall(r'(?:src|href)="([^"]*)"', page.read_text("utf-8")[:20_000]) if match]
    assert outside == ["data:,"]
    found, console = ask(
        page,
        """
        const fetched = () => fetch("http://127.0.0.1:9/");
        const tries = [fetched, async () => eval("1"), async () => new Function("return 1")()];
        return Promise.all(tries.map((one) => one().then(() => "done", () => "refused")));
        """,
    )
    assert found == ["refused"] * 3
    assert "Content Security Policy" in " ".join(console)


def test_an_error_of_the_page_would_be_seen(page: Path, ask: Ask) -> None:
    script = "setTimeout(() => { throw new Error('boom'); }); await new Promise((done) => setTimeout(done, 50));"
    assert "boom" in " ".join(ask(page, script)[1])


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_plots_have_the_colours_of_the_theme(page: Path, scheme: str, ask: Ask) -> None:
    script = """return { colour: $("curves").layout.paper_bgcolor,
                             fits: document.documentElement.scrollWidth <= innerWidth }"""
    for width in (1400, 500):
        found, console = ask(page, script, theme=scheme, width=width)
        assert console == []
        assert found["fits"], "the page itself does not scroll sideways"
    assert found["colour"] == {"dark": "#151a21", "light": "#ffffff"}[scheme]


def test_the_page_of_a_hundred_runs_opens_and_sorts_in_two_seconds(tmp_path: Path, copy_run: CopyRun, ask: Ask) -> None:
    random = np.random.default_rng(1)
    columns = [
        "validation/loss",
        "validation/bleu",
        "train/loss",
        "train/gradient_norm",
        "train/tokens",
        "train/seconds",
    ]
    runs = []
    for number in range(100):
        values = random.lognormal(size=(1000, len(columns))).tolist()
        table = [{"step": step, **dict(zip(columns, row, strict=True))} for step, row in enumerate(values, start=1)]
        config = {"optimizer.lr": number % 5, "model.dim": number // 5 % 4, "seed": number // 20}
        runs.append(copy_run(tmp_path / f"run-{number}", config, table))
    page = written(tmp_path, *runs)
    script = """
        const opened = performance.now();
        $$("#runs thead button").find((node) => node.textContent === "run").click();
        const first = names()[0], box = $("runs").getBoundingClientRect().height;
        const sorted = performance.now();
        $$("[data-draw=all]")[0].click();
        return { opened, sorted, all: performance.now() - sorted, first, box, lines: $("curves").data.length,
                 runs: names().length };
    """
    for _ in range(12):  # others may be at work on this machine: the quickest of all counts
        found, console = ask(page, script)
        print({name: round(found[name]) for name in ("opened", "sorted", "all")}, f"{page.stat().st_size / 1e6:.1f} MB")
        assert console == []
        if found["sorted"] < 2000:
            break
    assert found["first"] == "run-0"
    assert found["runs"] == found["lines"] == 100
    assert as_csv(compare([read_run(run, run.path.name) for run in runs])).count("\n") == 101
    assert page.stat().st_size < 20e6
    assert found["sorted"] < 2000, "milliseconds since the page was asked for"
