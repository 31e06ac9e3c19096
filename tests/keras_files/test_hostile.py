"""Hostile and damaged files: one error that names file and reason, within limits of time and
memory.
"""

from __future__ import annotations

import ctypes
import io
import json
import os
import resource
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
from tests.keras_files.files import SPEC, fresh, rezipped, some_state, unpacked
from tests.keras_files.hostile import HOSTILE, make_in, replaced


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """Let this process take `size` more bytes of address space: the bombs would need 256 MiB and
    more.

    What was freed before is given back first (the program keeps it): else there is more to be had
    than that.
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
    """What shows that the cases above are refused for their fault: without it, both formats
    open.
    """
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
    """One byte of a heap of texts, found by fuzzing: HDF5 1.14.6 loops for ever on it.

    Later ones may not.
    """
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
