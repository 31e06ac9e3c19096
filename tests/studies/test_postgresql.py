"""A study shared through PostgreSQL, on a server that the test starts and ends itself."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("optuna")
pytest.importorskip("psycopg")

from tests.studies.test_worker import check_complete, kill_at_random, notes, start
from tests.studies.worker_process import worker

pytestmark = pytest.mark.slow


def programs() -> Path | None:
    """The folder of PostgreSQL's programs, which Debian keeps off the path."""
    places = [Path(path).parent for path in [shutil.which("initdb")] if path]
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists()), None)


def as_server(command: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root: then it runs as postgres."""
    if os.getuid() != 0:
        return command
    if shutil.which("runuser") is None or subprocess.run(["id", "postgres"]).returncode:
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
    return ["runuser", "-u", "postgres", "--", *command]


@pytest.fixture
def url(server: str, tmp_path: Path) -> str:
    """The address of a database of the test's own."""
    import psycopg

    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {tmp_path.name}")
    return f"{server.rpartition('/')[0]}/{tmp_path.name}"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server on the loopback device."""
    folder = programs()
    if folder is None:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    data = Path(f"/tmp/lit-mnist-postgresql-{os.getpid()}")
    data.mkdir()
    if os.getuid() == 0:
        shutil.chown(data, "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    user = "postgres" if os.getuid() == 0 else getpass.getuser()
    made = [str(folder / "initdb"), "-D", f"{data}/db", "-A", "trust", "-E", "UTF8"]
    subprocess.run(as_server(made), check=True, capture_output=True)
    options = ["-p", str(port), "-k", str(data), "-h", "127.0.0.1"]
    process = subprocess.Popen(
        as_server([str(folder / "postgres"), "-D", f"{data}/db", *options]),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"postgresql+psycopg://{user}@127.0.0.1:{port}/postgres"
        wait_for(url)
        yield url
    finally:
        pid = int((data / "db" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGINT)  # PostgreSQL's fast shutdown
        process.wait(timeout=60)
        shutil.rmtree(data)


def wait_for(url: str) -> None:
    """Wait until the server takes connections."""
    import psycopg

    for _ in range(600):
        try:
            psycopg.connect(url.replace("+psycopg", "")).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.1)
    pytest.fail("PostgreSQL took no connection within 60 s")


def test_two_workers_share_a_study(tmp_path: Path, url: str) -> None:
    workers = [start(tmp_path, url, seconds=0.5), start(tmp_path, url, seconds=0.5)]
    assert [each.wait(timeout=120) for each in workers] == [0, 0]
    study = worker(tmp_path, url)
    check_complete(study)
    assert notes(tmp_path) == {f"{what} {x}": 1 for x in range(8) for what in ("begin", "end")}
    assert len({trial.user_attrs["worker"] for trial in study.finished}) == 2
    study.close()


def test_kills_leave_a_complete_study(tmp_path: Path, url: str) -> None:
    kill_at_random(tmp_path, 3, url)
    study = worker(tmp_path, url)
    check_complete(study)
    study.close()
    ended = {line for line in notes(tmp_path) if line.startswith("end")}
    assert ended == {f"end {x}" for x in range(8)}
