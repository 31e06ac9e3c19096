"""Puts the shipped configurations into the built package, so that ``--config cnn`` works."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfigurations(build_py):
    """Copies ``configs/*.yaml`` to ``lit_mnist/configs`` in the wheel.

    Editable installs need no copy.
    """

    def run(self) -> None:
        """Build the package, then add the configurations."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "lit_mnist", "configs")
        target.mkdir(parents=True, exist_ok=True)
        for source in sorted(Path("configs").glob("*.yaml")):
            shutil.copy2(source, target)


setup(cmdclass={"build_py": BuildWithConfigurations})
