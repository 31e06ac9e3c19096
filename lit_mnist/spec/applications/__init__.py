"""Networks of keras.applications by name: descriptions, and addresses of their weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...files import read_yaml
from ..description import NetworkSpec

_ADDRESS = "https://storage.googleapis.com/tensorflow/keras-applications/"


@dataclass(frozen=True)
class Application:
    """A network of Keras, with address and MD5 of its weights without the classifier."""

    name: str
    description: str
    address: str
    md5: str

    @property
    def spec(self) -> NetworkSpec:
        """The network without its classifier; it ends in a global pool."""
        return NetworkSpec.from_dict(read_yaml(Path(__file__).parent / self.description))


APPLICATIONS = {
    application.name: application
    for application in (
        Application(
            "InceptionV3",
            "inception_v3.yaml",
            f"{_ADDRESS}inception_v3/inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "bcbd6486424b2319ff4ef7d526e38f63",  # as keras.applications checks it
        ),
    )
}
