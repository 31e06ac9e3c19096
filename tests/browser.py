"""A headless Chromium for tests of pages: started once, offline, read through its console and its
pixels.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

_READY = "return document.documentElement.dataset.ready === 'true'"
# Pixels are read from a copy: Chromium warns on the page's console of a canvas that is read more
# than once.
_READ = """
const read = (canvas) => {
  const context = new OffscreenCanvas(canvas.width, canvas.height)
    .getContext('2d', { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  return [...context.getImageData(0, 0, canvas.width, canvas.height).data];
};
"""
_PIXELS = f"{_READ} return read(arguments[0])"
_BLANK = f"""
{_READ}
const drawn = (canvas) => canvas.width && canvas.height
  && read(canvas).some((value, i) => i % 4 === 3 && value > 0);
return [...document.querySelectorAll('canvas')].filter((canvas) => !drawn(canvas)).length;
"""
_BACKGROUND = "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)


def program(*names: str) -> str:
    """The first of these programs that is installed; skips where none is."""
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip(
            f"none of {', '.join(names)} is installed (Debian: apt-get install chromium "
            "chromium-driver)"
        )
    return path


def started() -> Iterator:  # a webdriver
    """Start Chromium without a network, and end it afterwards; skips where it or selenium is
    missing.
    """
    pytest.importorskip("selenium", reason="selenium is not installed")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = program(*CHROMIUM)
    for argument in _ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(program("chromedriver")))
    driver.execute_cdp_cmd("Network.enable", {})
    driver.execute_cdp_cmd(
        "Network.emulateNetworkConditions",
        {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1},
    )
    yield driver
    driver.quit()


def opened(driver, page: Path, width: int = 1280, scheme: str = "light", height: int = 900):
    """Open a page from disk in a window of this size and wait until it says that it is ready."""
    from selenium.webdriver.support.ui import WebDriverWait

    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    driver.get_log("browser")  # forget what the page before this one left there
    driver.get(page.as_uri())
    WebDriverWait(driver, 60).until(lambda one: one.execute_script(_READY))
    return driver


def first(driver, selector: str):
    """The first element of a selector."""
    return driver.find_element("css selector", selector)


def press(driver, selector: str, number: int = 0) -> None:
    """Click an element, wherever it lies."""
    driver.execute_script(
        "arguments[0].click()", driver.find_elements("css selector", selector)[number]
    )


def pixels(driver, selector: str) -> list[int]:
    """A canvas' red, green, blue and opacity, pixel by pixel."""
    return driver.execute_script(_PIXELS, first(driver, selector))


def blank_canvases(driver) -> int:
    """The number of canvases on the page that have no size or no visible pixel."""
    return driver.execute_script(_BLANK)


def assert_follows_color_scheme(driver, page: Path) -> None:
    """Check that a page's background is light in the light scheme and dark in the dark one."""
    light, dark = (
        opened(driver, page, scheme=scheme).execute_script(_BACKGROUND)
        for scheme in ("light", "dark")
    )
    assert min(light) > 200
    assert max(dark) < 60
