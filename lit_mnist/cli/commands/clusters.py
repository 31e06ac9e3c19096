"""Clusters of the images of a data set, for one or more numbers of clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...outcome import Outcome
from ..results import Results

if TYPE_CHECKING:
    from ...studies.clusters import Clustering


def clusters(
    k: list[int] | None = None,
    dataset: str = "mnist",
    data_root: str | None = None,
    standardize: str = "global",
    everything: bool = False,
    n_init: int = 3,
    batch_size: int = 500,
    max_iter: int = 100,
    sample: int = 5000,
    seed: int = 1,
    ckpt_path: str | None = None,
    out: str = "out/clusters",
    svg: bool = False,
) -> Outcome:
    """Cluster images by k-means, and draw time, inertia, silhouette and centres by number of
    clusters.

    Example: python -m lit_mnist clusters --k 10 40 70 100

    With --ckpt_path, draw the centres of a run that was trained with data.features instead.

    Args:
        k: numbers of clusters (default: 70).
        dataset: data set whose images are clustered.
        data_root: folder of the data sets (default: $LIT_MNIST_DATA, else the cache folder).
        standardize: scaling of the pixels before clustering, as in data.standardize.
        everything: also cluster the test images, as the source does; otherwise the centres depend
            on the training images only.
        n_init: number of random starts; the best is kept.
        batch_size: images per batch.
        max_iter: maximum number of passes over the images.
        sample: number of images for the silhouette.
        seed: seed of starts, batches and the sample.
        ckpt_path: run or checkpoint trained with data.features; its centres are drawn, and the
            options of the clustering are not used.
        out: folder for the pictures, clusters.npz (centres) and clusters.json.
    """
    from ...data import DataOptions, prepare
    from ...data.kmeans import KMeans, images_of
    from ...environment import hardware
    from ...figures.studies import centres, cluster_curves
    from ...studies.clusters import clusterings
    from ..progress import progress

    if ckpt_path is not None:
        return _of_run(ckpt_path, out, svg)
    settings = KMeans(n_init, batch_size, max_iter, seed)
    results = Results("clusters", out, svg)
    numbers = sorted(set(k or [70]))
    options = DataOptions(
        dataset, data_root, standardize=standardize, validation_fraction=0.0, validate_on="none"
    )
    prepared = prepare(options)
    images = images_of(prepared, everything)
    by_number = clusterings(images, numbers, settings, sample)
    records = [*progress(by_number, len(numbers), "clusters")]
    if len(records) > 1:
        results.picture(cluster_curves(records), "curves")
    for record in records:
        results.picture(centres(record.pictures(prepared.standardizer)), f"centres-{record.k}")
    results.arrays(**{f"centres-{record.k}": record.centres for record in records})
    data: dict[str, Any] = {
        "dataset": prepared.dataset.name,
        "images": len(images),
        "clustered": "training and test images" if everything else "training images",
        "standardize": standardize,
        "settings": {**vars(settings), "sample": sample},
        "clusterings": [_entry(record) for record in records],
        "hardware": hardware(),
    }
    return results.finish(data, "\n".join(_line(record) for record in records))


def _of_run(ckpt_path: str, out: str, svg: bool) -> Outcome:
    """Draw the centres of the layer of distances of a trained network, as pictures."""
    from ...figures.studies import centres
    from ...inside.clusters import centres_of
    from ...runs.model import open_model

    model = open_model(ckpt_path)
    pictures = centres_of(model)
    results = Results("clusters", out, svg)
    results.picture(centres(pictures), f"centres-{len(pictures)}")
    results.arrays(**{f"centres-{len(pictures)}": pictures})
    data = {"checkpoint": str(model.path), "k": len(pictures)}
    return results.finish(data, f"{len(pictures)} centres of {model.path}")


def _entry(record: Clustering) -> dict[str, Any]:
    keys = ("k", "inertia", "silhouette", "seconds")
    return {key: getattr(record, key) for key in keys}


def _line(record: Clustering) -> str:
    return (
        f"K = {record.k}: inertia {record.inertia:.4g}, silhouette {record.silhouette:.4f}, "
        f"{record.seconds:.1f} s"
    )
