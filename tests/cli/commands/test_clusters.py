"""The command clusters: pictures, arrays, and a data set of distances that fit and test take."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import ROOT, run_program


def test_clusters_and_a_network_on_their_distances(tmp_path: Path) -> None:
    out = tmp_path / "clusters"
    code, printed, err = run_program(
        *("clusters", "--dataset", "digits", "--k", 4, 12, "--standardize", "global"),
        *("--n_init", 1, "--sample", 200, "--distances", "true", "--out", out, "--json"),
    )
    assert code == 0, err
    data = json.loads(printed)
    assert all(Path(path).is_file() for path in data["files"])
    assert {"curves.png", "centres-4.png", "centres-12.png"} <= {p.name for p in out.iterdir()}
    few, many = data["clusterings"]
    assert (few["k"], many["k"]) == (4, 12)
    assert many["inertia"] < few["inertia"]
    code, printed, err = run_program(
        *(
            "fit",
            "--config",
            ROOT / "configs" / "studies" / "mlp_clusters.yaml",
            "--data.batch_size",
            32,
        ),
        *("--data.root", out / "distances-12", "--model.network.input_shape", "[1, 12, 1]"),
        *("--trainer.max_epochs", 8, "--runs_dir", tmp_path / "runs", "--json"),
    )
    assert code == 0, err
    assert json.loads(printed)["test/acc"] > 0.5


def test_bad_numbers_write_nothing(tmp_path: Path) -> None:
    code, _, err = run_program("clusters", "--dataset", "digits", "--k", 1, "--out", tmp_path / "o")
    assert code == 2
    assert "--k 1: cannot work" in err
    assert not (tmp_path / "o").exists()
