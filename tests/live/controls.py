"""The live page's controls, as a reader uses them."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
from PIL import Image

from tests.browser import first, pixels

MAPS = "return [...document.querySelectorAll('#layer-blocks canvas')].map((c) => c.toDataURL())"
UPDATED = "return Number(document.documentElement.dataset.updates)"
_DROP = """
const [base64, type, name, kind] = arguments;
const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
const transfer = new DataTransfer();
transfer.items.add(new File([bytes], name, { type }));
document.dispatchEvent(kind === 'drop'
  ? new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true })
  : new ClipboardEvent('paste', { clipboardData: transfer, bubbles: true }));
"""


def waited(driver, condition: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, 30).until(lambda one: one.execute_script(f"return {condition}"))


def stroke(driver, *points: tuple[int, int]) -> None:
    """Draw with the mouse from point to point, in pixels from the drawing's centre."""
    from selenium.webdriver import ActionChains

    pad = first(driver, "#pad")
    before = driver.execute_script(UPDATED)
    chain = ActionChains(driver, duration=30).move_to_element_with_offset(pad, *points[0])
    chain.click_and_hold()
    for point in points[1:]:
        chain.move_to_element_with_offset(pad, *point)
    chain.release().perform()
    waited(driver, f"Number(document.documentElement.dataset.updates) > {before}")
    waited(driver, "new Promise((done) => setTimeout(() => done(true), 100))")


SEVEN = ((-60, -80), (0, -80), (60, -80), (30, 0), (-10, 90))


def seen(driver) -> np.ndarray:
    """The network's input as the page shows it, (28, 28)."""
    return np.array(pixels(driver, "#seen")).reshape(28, 28, 4)[..., 0]


def drop(driver, picture: Image.Image, folder: Path, kind: str = "drop") -> None:
    path = folder / "picture.png"
    picture.save(path)
    before = driver.execute_script(UPDATED)
    driver.execute_script(
        _DROP, base64.b64encode(path.read_bytes()).decode(), "image/png", path.name, kind
    )
    waited(driver, f"Number(document.documentElement.dataset.updates) > {before}")
