"""``python -m benchmarks.live RUN [--drawings N] [--loads N] [--out FILE]``: the live page.

Size, time to the first prediction, drawings a second, and each layer's largest difference from
PyTorch, in headless Chromium (extra ``test``). A drawing is a stroke drawn a little further: it is
read, goes through the network, and all maps that are shown are painted. Beside the rate stands the
processor time of the page's thread, which other programs on the machine do not lengthen.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lit_mnist.files import write_text
from lit_mnist.live.page import live_page
from lit_mnist.live.samples import samples
from lit_mnist.pages import markdown_table
from lit_mnist.report.encode import base64_of
from lit_mnist.runs.model import Model, open_model
from tests.browser import opened, started
from tests.live.lab import Lab, carried, channels_last, expected

from .measure import conditions

# draws a spiral, one piece a frame, and gives the milliseconds between the page's updates
_DRAW = """
const [count, done] = arguments;
const pad = document.getElementById('pad');
const box = pad.getBoundingClientRect();
pad.setPointerCapture = () => {}; // an event of a script has no pointer to capture
const send = (type, i) => {
  const [angle, radius] = [i / 6, 0.1 + 0.25 * i / count];
  const clientX = box.left + box.width * (0.5 + radius * Math.cos(angle));
  const clientY = box.top + box.height * (0.5 + radius * Math.sin(angle));
  pad.dispatchEvent(new PointerEvent(type, { pointerId: 1, bubbles: true, clientX, clientY }));
};
const times = [];
document.getElementById('clear').click();
send('pointerdown', 0);
let last = performance.now();
const step = (i) => {
  if (i > count) {
    send('pointerup', i);
    done(times);
    return;
  }
  send('pointermove', i);
  requestAnimationFrame(() => setTimeout(() => {
    const now = performance.now();
    times.push(now - last);
    last = now;
    step(i + 1);
  }));
};
step(1);
"""
_SHOWN = {"one layer's maps": 1, "all layers' maps": 0}


@dataclass(frozen=True)
class Rate:
    """`a_second` by the clock (median), and `busy`, milliseconds of processor time per drawing."""

    a_second: float
    busy: float


def main(argv: list[str] | None = None) -> int:
    """Measure the model's page, print the results as Markdown, and write them to `--out`."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.live", description=(__doc__ or "").partition("\n\n")[2]
    )
    parser.add_argument("run", help="a run folder, a checkpoint or a Keras file")
    parser.add_argument("--drawings", type=int, default=100)
    parser.add_argument("--loads", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(argv)
    text = report(open_model(options.run), options.drawings, options.loads)
    print(text)
    if options.out:
        write_text(options.out, text)
    return 0


def report(model: Model, drawings: int, loads: int) -> str:
    """Return the figures of a model's page as Markdown."""
    with tempfile.TemporaryDirectory() as folder, chromium() as driver:
        page = write_text(Path(folder) / "live.html", live_page(model))
        size = page.stat().st_size
        firsts = [first_prediction(driver, page) for _ in range(loads)]
        rates = {what: rate(driver, tab, drawings) for what, tab in _SHOWN.items()}
        version = driver.capabilities["browserVersion"]
        differences = layer_differences(driver, model)
    rows = [
        ("page", f"{size / 1e6:.2f} MB"),
        ("first prediction", f"{statistics.median(firsts):.0f} ms after the start (n = {loads})"),
        *((f"drawings a second, {what} shown", _written(each)) for what, each in rates.items()),
    ]
    worst = [("layer", "largest difference")]
    worst += [(name, f"{value:.1e}") for name, value in differences.items()]
    about = f"Chromium {version}, n = {drawings} drawings; {conditions()}"
    return "\n\n".join([markdown_table([("", ""), *rows]), markdown_table(worst), about])


def _written(each: Rate) -> str:
    free = f"{1000 / each.busy:.0f} a second on a free core"
    return f"{each.a_second:.0f} ({each.busy:.1f} ms of processor time each: {free})"


@contextmanager
def chromium():  # noqa: ANN201 - a webdriver
    """A headless Chromium without a network."""
    yield from started()


def first_prediction(driver: Any, page: Path) -> int:
    """Milliseconds from the start of loading to the first answer."""
    opened(driver, page)
    return int(driver.execute_script("return document.documentElement.dataset.first"))


def rate(driver: Any, tab: int, drawings: int) -> Rate:
    """How fast the page follows a stroke with a layer's maps shown."""
    driver.execute_script(f"document.querySelectorAll('#layer-tabs button')[{tab}].click()")
    driver.set_script_timeout(300)
    driver.execute_async_script(_DRAW, drawings)  # code is compiled while these run
    before = _thread_time(driver)
    times = driver.execute_async_script(_DRAW, drawings)
    busy = 1000 * (_thread_time(driver) - before) / drawings
    return Rate(1000 / statistics.median(times), busy)


def _thread_time(driver: Any) -> float:
    """Seconds of processor time of the page's thread."""
    driver.execute_cdp_cmd("Performance.enable", {})
    metrics = driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return next(each["value"] for each in metrics if each["name"] == "ThreadTime")


def layer_differences(driver: Any, model: Model) -> dict[str, float]:
    """Return layer -> largest difference from PyTorch, relative to its largest value."""
    lab = Lab.opened(driver)
    worst: dict[str, float] = {}
    for image in model.tensor(samples(model).pixels.astype(np.float32)):
        values = lab.call("values", *carried(model.network), base64_of(channels_last(image)))[
            "values"
        ]
        for name, reference in expected(model.network, image).items():
            gap = float(np.abs(np.array(values[name]) - reference).max() / np.abs(reference).max())
            worst[name] = max(worst.get(name, 0.0), gap)
    return worst


if __name__ == "__main__":
    sys.exit(main())
