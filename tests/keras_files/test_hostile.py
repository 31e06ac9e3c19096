"""Files that are not what their name says: each refused with one error, nothing executed, nothing large allocated."""

from __future__ import annotations

import ctypes
import io
import json
import os
import resource
import struct
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest

from lit_mnist.environment import keep_freed_memory
from lit_mnist.keras_files import KerasFileError, read_keras, trial
from lit_mnist.runs.model import ModelError, open_model
from tests.keras_files.files import SPEC, configured, fresh, layer, rezipped, some_state, unpacked

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
    """An archive that says its configuration is encrypted (bit 0 of the flags, in the directory at its end)."""
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
    "configuration: a layer that is text": (layers("Conv2D"), "layer 1 is 'Conv2D'"),  # type: ignore[arg-type]
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


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """Let this process take `size` more bytes of address space: the bombs would need 256 MiB and more.

    What was freed before is given back first (the program keeps it): else there is more to be had than that.
    """
    ctypes.CDLL(None).malloc_trim(0)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_the_limit_on_memory_works() -> None:
    keep_freed_memory()
    freed = [np.ones(1 << 17) for _ in range(600)]  # 600 MiB in blocks that the heap holds
    del freed
    with pytest.raises(MemoryError), at_most(150 << 20):
        np.ones(1 << 25)


def make_in(folder: Path, case: str) -> Path:
    return HOSTILE[case][0](folder)


@pytest.mark.parametrize("case", HOSTILE)
def test_refused_with_one_error_that_names_file_and_reason(tmp_path: Path, case: str) -> None:
    path = make_in(tmp_path, case)
    with at_most(150 << 20), pytest.raises(KerasFileError, match=HOSTILE[case][1]) as caught:
        read_keras(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
    assert "MemoryError" not in str(caught.value)
    assert not (tmp_path / "owned").exists() and not Path("owned").exists()


def test_there_are_more_than_the_fifteen_asked_for() -> None:
    assert len(HOSTILE) >= 40


def test_the_untampered_file_is_read(tmp_path: Path) -> None:
    """What shows that the cases above are refused for their fault: without it, both formats open."""
    for name in ("model.h5", "model.keras"):
        path, weights = fresh(tmp_path / name, optimizer=some_state(SPEC))
        assert all(np.array_equal(read_keras(path).weights[key], weights[key]) for key in weights)
    assert read_keras(rezipped(path)).spec == SPEC


def test_gzip_alone_is_no_reason_to_refuse(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(3, 3, 1, 2)).astype(np.float32)
    make = replaced(
        lambda g, n: g.create_dataset(
            n, data=values, compression="gzip", shuffle=True, fletcher32=True
        )
    )
    assert np.array_equal(read_keras(make(tmp_path)).weights["Conv2D_2/kernel"], values)


def test_a_slot_with_nan_is_refused(tmp_path: Path) -> None:
    path, _ = fresh(tmp_path / "model.keras", optimizer=some_state(SPEC))
    with zipfile.ZipFile(path) as archive:
        buffer = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(buffer, "r+") as file:
        file["optimizer/vars/2"][...] = np.inf
    with pytest.raises(KerasFileError, match="optimizer/vars/2' holds NaN or infinite"):
        read_keras(rezipped(path, weights=buffer.getvalue()))


@pytest.mark.parametrize(
    "note",
    [
        {"standardizer": {"kind": "unit", "mean": [0] * 7, "scale": 255, "clip": None}},
        {"standardizer": {"kind": "unit", "mean": 0, "scale": 0, "clip": None}},
        {"standardizer": "unit"},
        {"other": 1},
    ],
)
def test_a_note_on_scaling_that_cannot_be_true_is_refused(tmp_path: Path, note: dict) -> None:
    path, _ = fresh(tmp_path / "model.keras", metadata=note)
    with pytest.raises(ModelError, match=f"{path}: its note on scaling cannot be used"):
        open_model(path)
    assert open_model(path, standardize="unit").spec == SPEC


def test_the_program_says_it_in_one_line(tmp_path: Path, run_cli: Callable) -> None:
    code, out, err = run_cli("convert", make_in(tmp_path, "Lambda"), tmp_path / "out")
    assert code == 2 and not out and "never run" in err and "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_bits_that_flip_never_do_worse_than_an_error(tmp_path: Path) -> None:
    """Small seeded fuzz: every mutant is read or refused, in this very process."""
    random = np.random.default_rng(11)
    for name in ("model.h5", "model.keras"):
        path, _ = fresh(tmp_path / name, optimizer=some_state(SPEC))
        whole = path.read_bytes()
        for _ in range(100):
            data = bytearray(whole)
            for at in random.integers(0, len(data), random.integers(1, 9)):
                data[at] = random.integers(256)
            path.write_bytes(data)
            try:
                read_keras(path)
            except ValueError as error:  # UserError: anything else fails the test
                assert str(error).startswith(str(path))


def test_file_modes_and_folders(tmp_path: Path) -> None:
    (tmp_path / "folder.h5").mkdir()
    with pytest.raises(KerasFileError, match="folder.h5: a folder; accepted: a Keras file"):
        read_keras(tmp_path / "folder.h5")
    with pytest.raises(KerasFileError, match="absent.h5"):
        read_keras(tmp_path / "absent.h5")
    assert json.dumps(os.listdir(tmp_path)) == '["folder.h5"]'


def test_a_file_on_which_hdf5_hangs_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One byte of a heap of texts, found by fuzzing: HDF5 1.14.6 loops for ever on it. Later ones may not."""
    monkeypatch.setattr(trial, "PATIENCE", 2.0)
    path = unpacked("tf24", tmp_path) / "tf24_sequential.h5"
    read_keras(path)  # the worker is up
    data = bytearray(path.read_bytes())
    data[6224] = 0x82
    path.write_bytes(data)
    started = time.monotonic()
    with pytest.raises(KerasFileError, match=f"{path}: damaged"):
        read_keras(path)
    assert time.monotonic() - started < 15
    path, _ = fresh(tmp_path / "model.h5")
    assert read_keras(path).spec == SPEC  # and the next file is read as ever


def test_a_worker_that_dies_is_told_and_replaced(tmp_path: Path) -> None:
    path, _ = fresh(tmp_path / "model.h5")
    read_keras(path)
    trial.worker.process.kill()
    trial.worker.process.wait()
    with pytest.raises(KerasFileError, match="damaged: HDF5's library crashes on it"):
        read_keras(path)
    assert read_keras(path).spec == SPEC
