"""SIGTERM and Ctrl-C: saved, said, and gone within two seconds; then the same command goes on."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from lit_mnist.runs.checkpoint import read_checkpoint
from lit_mnist.training.interruption import Interrupted, Interruption
from tests.forked import CONFIG, Server, shared_server


@pytest.fixture(scope="module")
def server() -> Server:
    return shared_server()


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_save_say_and_end(server: Server, tmp_path: Path, signum: int, code: int) -> None:
    """Seen to fail with the handlers that Lightning installs."""
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    last = tmp_path / "tiny/version_0/checkpoints/last.ckpt"
    command = ("fit", "--config", tmp_path / "tiny.yaml", "--runs_dir", tmp_path)
    result, seconds = server.run(
        *command, log=tmp_path / "log", after_change_of=str(last), seconds=0.3, signal=int(signum)
    )
    said = (tmp_path / "log").read_text()
    assert result == code and "Traceback" not in said, said
    assert seconds < 2
    step = read_checkpoint(last)["global_step"]
    assert (
        step > 0
        and f"step {step} is saved in {last}" in said
        and "the same command resumes it" in said
    )
    assert server.run(*command, log=tmp_path / "log2")[0] == 0
    assert f"resuming {last.parent.parent} at step {step}" in (tmp_path / "log2").read_text()


def test_a_signal_before_training_ends_the_program(server: Server, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    code, seconds = server.run(
        "fit",
        "--config",
        tmp_path / "tiny.yaml",
        "--runs_dir",
        tmp_path,
        log=tmp_path / "log",
        seconds=0.05,
        signal=int(signal.SIGTERM),
    )
    assert code in (143, -15) and seconds < 2


def test_a_second_signal_does_not_wait() -> None:
    interruption = Interruption()
    before = signal.getsignal(signal.SIGTERM)
    with interruption:
        interruption.waits = True
        signal.raise_signal(signal.SIGTERM)
        assert interruption.asked() == (signal.SIGTERM, False)
        with pytest.raises(Interrupted) as stop:
            signal.raise_signal(signal.SIGTERM)
        assert stop.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_handler_of_c_code_is_replaced_by_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """`signal.signal` returns None for it; seen to fail with a TypeError at the end of fit."""
    installed = {}

    def install(signum: int, handler: object) -> None:
        if handler is None:
            raise TypeError("signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable")
        installed[signum] = handler

    monkeypatch.setattr("lit_mnist.training.interruption.signal.signal", install)
    with Interruption():
        assert callable(installed[signal.SIGTERM])
    assert installed[signal.SIGTERM] is signal.SIG_DFL
