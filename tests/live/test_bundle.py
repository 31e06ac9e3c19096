"""Modules become one script: names stay apart, order follows imports, other forms are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from lit_mnist.live.bundle import bundle
from tests.conftest import ROOT

PAGE = ROOT / "lit_mnist" / "live" / "page"


def test_modules_come_before_those_that_import_them() -> None:
    modules = {
        "main.js": 'import { a } from "./x/a.js";\nimport { b } from "./b.js";\n'
        "const hidden = a + b;\n",
        "x/a.js": 'import { b } from "../b.js";\nexport const a = b;\n',
        "b.js": "export function b() {}\nexport class C {}\nexport function* d() {}\n",
    }
    script = bundle(modules.__getitem__, "main.js")
    assert script.count("function b()") == 1 and "import" not in script and "export" not in script
    assert script.index("const $b ") < script.index("const $x_a ") < script.index("const $main ")
    assert "const { b } = $b;" in script and "return { b, C, d };" in script


@pytest.mark.parametrize(
    "text", ['import x from "./b.js";', "export default 1;", "export { a };", "export let a = 1;"]
)
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="form of import or export"):
        bundle({"main.js": text + "\n"}.__getitem__, "main.js")


def test_circles_are_refused() -> None:
    modules = {
        "a.js": 'import { b } from "./b.js";\nexport const a = 1;\n',
        "b.js": 'import { a } from "./a.js";\nexport const b = 1;\n',
    }
    with pytest.raises(ValueError, match=r"a\.js -> b\.js -> a\.js"):
        bundle(modules.__getitem__, "a.js")


@pytest.mark.parametrize("path", sorted(PAGE.rglob("*.js")), ids=lambda path: path.name)
def test_modules_are_short_and_end_no_script(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) < 300
    assert "</script" not in text
