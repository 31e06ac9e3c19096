"""Files that were made to do harm or to mislead, each with the reason for which it is refused."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from tests.keras_files.files import configured, fresh, layer, rezipped

CONV = layer(
    "Conv2D",
    "Conv2D_2",
    batch_shape=[None, 8, 8, 1],
    filters=2,
    kernel_size=[3, 3],
    strides=[1, 1],
    padding="valid",
)


def conv(**changed: object) -> dict:
    """CONV with some settings changed."""
    return CONV | {"config": CONV["config"] | changed}


KERNEL = "model_weights/Conv2D_2/sequential/Conv2D_2/kernel"
BOMB = 1 << 28


def h5(change: Callable[[h5py.File], None]) -> Callable[[Path], Path]:
    """A file of ours with something changed."""

    def make(folder: Path) -> Path:
        path, _ = fresh(folder / "model.h5")
        with h5py.File(path, "r+") as file:
            change(file)
        return path

    return make


def replaced(
    make: Callable[[h5py.Group, str], object], place: str = KERNEL
) -> Callable[[Path], Path]:
    """A file of ours with one weight replaced."""

    def change(file: h5py.File) -> None:
        group, name = place.rsplit("/", 1)
        del file[place]
        make(file[group], name)

    return h5(change)


def content(data: bytes, name: str = "model.h5") -> Callable[[Path], Path]:
    """A file of just these bytes."""

    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def cut(name: str, share: float) -> Callable[[Path], Path]:
    """A file of ours without its end."""

    def make(folder: Path) -> Path:
        path, _ = fresh(folder / name)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])
        return path

    return make


def layers(*entries: dict, kind: str = "Sequential", **config: object) -> Callable[[Path], Path]:
    """An archive with this configuration."""
    return lambda folder: configured(folder / "model.keras", list(entries), kind, **config)


def members(
    extra: dict[str, bytes] | None = None, packed: bool = False, **changed: bytes | None
) -> Callable:
    """An archive of ours with members changed, or more of them."""

    def make(folder: Path) -> Path:
        path, _ = fresh(folder / "model.keras")
        rezipped(path, **changed)
        with zipfile.ZipFile(
            path, "a", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
        ) as archive:
            for name, data in (extra or {}).items():
                archive.writestr(name, data)
        return path

    return make


def bomb(name: str) -> Callable[[Path], Path]:
    """An archive whose member `name` unpacks to 256 MiB of zeros."""

    def make(folder: Path) -> Path:
        path, _ = fresh(folder / "model.keras")
        rezipped(
            path, **{{"config.json": "config_json", "model.weights.h5": "weights"}[name]: None}
        )
        with (
            zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive,
            archive.open(name, "w", force_zip64=True) as file,
        ):
            for _ in range(BOMB >> 24):
                file.write(bytes(1 << 24))
        return path

    return make


def encrypted(folder: Path) -> Path:
    """An archive that says its configuration is encrypted (bit 0 of the flags, in the directory at
    its end).
    """
    path, _ = fresh(folder / "model.keras")
    data = bytearray(path.read_bytes())
    for at in [i for i in range(len(data)) if data[i : i + 4] == b"PK\x01\x02"]:
        data[at + 8] |= 1
    path.write_bytes(data)
    return path


def external_file(folder: Path) -> Path:
    """A weight whose numbers lie in another file."""
    (folder / "secret").write_bytes(np.zeros(18, np.float32).tobytes())
    return replaced(
        lambda group, name: group.create_dataset(
            name, (3, 3, 1, 2), "f4", external=[(str(folder / "secret"), 0, h5py.h5f.UNLIMITED)]
        )
    )(folder)


def virtual(group: h5py.Group, name: str) -> None:
    layout = h5py.VirtualLayout((3, 3, 1, 2), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "kernel", (3, 3, 1, 2))
    group.create_virtual_dataset(name, layout)


def lied(folder: Path) -> Path:
    """A contiguous array whose declared length was changed in the bytes of the file."""
    path, weights = fresh(folder / "model.h5")
    data = path.read_bytes()
    shape = struct.pack("<4Q", 3, 3, 1, 2)
    assert data.count(shape)
    path.write_bytes(data.replace(shape, struct.pack("<4Q", 3 << 30, 3, 1, 2)))
    return path


def nan(group: h5py.Group, name: str) -> None:
    group[name] = np.full((3, 3, 1, 2), np.nan, np.float32)


def vlen(group: h5py.Group, name: str) -> None:
    group.create_dataset(name, (3, 3, 1, 2), h5py.vlen_dtype(np.float32))


def objects(file: h5py.File) -> None:
    del file.attrs["model_config"]
    file.attrs["model_config"] = np.zeros(3)


def nested() -> bytes:
    return b'{"a":' * 100_000 + b"1" + b"}" * 100_000


def weights_of(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for group in ("conv2d", "conv2d_1", "dense"):
            file[f"layers/{group}/vars/0"] = np.zeros(shape, np.float32)
            file[f"layers/{group}/vars/1"] = np.zeros(2, np.float32)
    return buffer.getvalue()


HOSTILE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "empty": (content(b""), "empty"),
    "text": (
        content(b"hello, weights"),
        "neither a .keras archive .* nor an HDF5 file: it starts with b'hell'",
    ),
    "json": (content(b'{"class_name": "Sequential"}'), "nor an HDF5 file"),
    "pickle": (
        content(b"\x80\x04cos\nsystem\n(S'touch owned'\ntR.", "model.keras"),
        "a pickle, which can hold code and is never opened",
    ),
    "only the signature": (content(b"\x89HDF\r\n\x1a\n"), "damaged"),
    "h5, cut": (cut("model.h5", 0.5), "damaged"),
    "keras, cut": (cut("model.keras", 0.5), "damaged"),
    "soft link": (replaced(lambda g, n: g.__setitem__(n, h5py.SoftLink("/etc"))), "soft link"),
    "external link": (
        replaced(lambda g, n: g.__setitem__(n, h5py.ExternalLink("/etc/passwd", "/"))),
        "link to another file",
    ),
    "linked group": (
        replaced(
            lambda g, n: g.__setitem__(n, h5py.ExternalLink("other.h5", "/")),
            "model_weights/Conv2D_1",
        ),
        "link to another file",
    ),
    "external dataset": (external_file, "external dataset"),
    "virtual dataset": (replaced(virtual), "virtual dataset"),
    "object dtype": (replaced(vlen), "its values are of type object"),
    "text for weights": (
        replaced(lambda g, n: g.create_dataset(n, data=np.full((3, 3, 1, 2), b"x"))),
        "its values are of type .S1",
    ),
    "configuration as numbers": (h5(objects), "attribute 'model_config' is of type float64"),
    "another shape": (
        replaced(lambda g, n: g.create_dataset(n, data=np.zeros((5, 5, 1, 2), "f4"))),
        r"has shape \(5, 5, 1, 2\); accepted, by the configuration: \(3, 3, 1, 2\)",
    ),
    "a terabyte, never stored": (
        replaced(lambda g, n: g.create_dataset(n, (1 << 20, 1 << 18), "f4", chunks=(1024, 1024))),
        "declares 1,099,511,627,776 bytes",
    ),
    "zeros packed a thousandfold": (
        replaced(
            lambda g, n: g.create_dataset(n, data=np.zeros((4096, 4096), "f4"), compression="gzip")
        ),
        "it declares 67,108,864 bytes",
    ),
    "a length changed in the bytes": (lied, "damaged|declares|shape"),
    "a filter that plugins provide": (
        replaced(
            lambda g, n: g.create_dataset(n, data=np.zeros((3, 3, 1, 2), "f4"), compression="lzf")
        ),
        "filter 32000",
    ),
    "NaN": (replaced(nan), "holds NaN"),
    "a group for a weight": (replaced(lambda g, n: g.create_group(n)), "not an array"),
    "a weight missing": (h5(lambda file: file.__delitem__(KERNEL)), "is missing"),
    "a layer missing": (
        h5(lambda file: file.__delitem__("model_weights/Dense_1")),
        "'Dense_1' is missing",
    ),
    "path trick in a weight's name": (
        h5(
            lambda file: file["model_weights/Conv2D_2"].attrs.__setitem__(
                "weight_names", ["../../../etc/passwd", "sequential/Conv2D_2/bias"]
            )
        ),
        "refused the path",
    ),
    "zip bomb, configuration": (bomb("config.json"), "would become 268,435,456"),
    "zip bomb, weights": (bomb("model.weights.h5"), "would become 268,435,456"),
    "path trick in the archive": (members({"../../evil": b"x"}), "'../../evil'"),
    "absolute path in the archive": (members({"/etc/evil": b"x"}), "'/etc/evil'"),
    "encrypted": (encrypted, "encrypted"),
    "no configuration": (members(config_json=None), "no 'config.json'"),
    "no weights": (members(weights=None), "no 'model.weights.h5'"),
    "weights that are a zip": (members(weights=b"PK\x03\x04"), "not an HDF5 file"),
    "configuration: a list": (members(config_json=b"[1, 2]"), "holds a list"),
    "configuration: nested": (members(config_json=nested()), "damaged|not readable JSON"),
    "configuration: bytes": (members(config_json=b"\xff\xfe\x00"), "not readable JSON"),
    "configuration: no layers": (layers(), "accepted: a list of 1 to 3000"),
    "configuration: a layer that is text": (
        layers("Conv2D"),  # type: ignore[arg-type]
        "layer 1 is 'Conv2D'",
    ),
    "configuration: a huge kernel": (
        layers(conv(filters=10**12), layer("Flatten", "f"), layer("Dense", "d", units=4)),
        r"accepted, by the configuration: \(3, 3, 1, 1000000000000\)",
    ),
    "configuration: a huge input": (
        layers(conv(batch_shape=[None, 10**6, 10**6, 1])),
        r"the input has the shape \(1000000, 1000000, 1\)",
    ),
    "configuration: filters that are text": (layers(conv(filters="2")), "filters = '2'"),
    "configuration: NaN for a slope": (
        layers(CONV, layer("LeakyReLU", "l", negative_slope=float("nan"))),
        "a finite number",
    ),
    "weights that contradict the configuration": (members(weights=weights_of((9, 9))), "has shape"),
    "Lambda": (
        layers(CONV, layer("Lambda", "evil", function=["4wEAAAA=", None, None])),
        "layer 'evil' of type Lambda is not supported: it holds Python code, which is never run",
    ),
    "a custom layer": (
        layers(CONV, layer("MyLayer", "mine")),
        "layer 'mine' of type MyLayer is not supported",
    ),
    "a custom class under a known name": (
        layers(CONV | {"module": "evil", "registered_name": "Evil>Conv2D"}),
        "its class comes from 'Evil>Conv2D'",
    ),
    "a model class of its own": (
        layers(CONV, kind="MyModel"),
        "the model is of the class 'MyModel'",
    ),
}


def make_in(folder: Path, case: str) -> Path:
    return HOSTILE[case][0](folder)
