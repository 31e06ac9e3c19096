"""A headless Chromium for tests of pages: started once, offline, read through its console and its pixels."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

_READY = "return document.documentElement.dataset.ready === 'true'"
_PIXELS = "return [...arguments[0].getContext('2d').getImageData(0, 0, arguments[0].width, arguments[0].height).data]"
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
            f"none of {', '.join(names)} is installed (Debian: apt-get install chromium chromium-driver)"
        )
    return path


def started() -> Iterator:  # a webdriver
    """Start Chromium without a network, and end it afterwards; skips where it or selenium is missing."""
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
