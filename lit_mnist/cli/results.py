"""Files of a command that looks inside: pictures, arrays, and one JSON file that lists them all."""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UserError
from ..files import file_name, write_bytes, write_json
from ..outcome import Outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _check_writable(folder: Path, out: str) -> None:
    """Raise UserError where files cannot be written into `folder`; leave nothing behind."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out {out}: is a file; accepted: a folder, which is created if missing")
    created = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"--out {out}: cannot be written ({error.strerror or error}); accepted: a writable "
            "folder"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            for path in created:
                path.rmdir()


class Results:
    """Writes files into the folder `out`: pictures as PNG and, with `svg`, also as SVG."""

    def __init__(self, command: str, out: str, svg: bool = False) -> None:
        self.command = command
        self.folder = Path(out)
        self.files = []
        self.formats = ("png", "svg") if svg else ("png",)
        _check_writable(self.folder, out)  # an error comes before any computation

    def picture(self, figure: Figure, *parts: object) -> None:
        """Write a figure under a name that consists of `parts`."""
        from ..figures.canvas import save

        for suffix in self.formats:
            self.files.append(save(figure, self.folder / f"{file_name(*parts)}.{suffix}"))

    def write(self, name: str, content: bytes) -> None:
        """Write `content` into the file `name`."""
        self.files.append(write_bytes(self.folder / name, content))

    def arrays(self, **arrays: np.ndarray) -> None:
        """Write the arrays behind the pictures as ``<command>.npz``."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        self.write(f"{self.command}.npz", buffer.getvalue())

    def finish(self, data: dict[str, Any], text: str) -> Outcome:
        """Write ``<command>.json`` with `data` and the names of all files; return the command's
        outcome.
        """
        path = self.folder / f"{self.command}.json"
        data = {"command": self.command, **data, "files": [*map(str, self.files), str(path)]}
        write_json(path, data)
        summary = f"{len(data['files'])} files in {self.folder}, listed in {path}"
        return Outcome(data, f"{text}\n{summary}")


def html_target(command: str, out: str | None, run: Path | None) -> Path:
    """Return the file of a page: `out` itself if it ends in .html, else COMMAND.html in a folder.

    The folder is `out`, else `run`, else out/COMMAND.
    """
    target = Path(out) if out else run or Path("out") / command
    return target if target.suffix.lower() == ".html" else target / f"{command}.html"
