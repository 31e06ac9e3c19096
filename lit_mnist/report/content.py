"""The options and the records of a report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..attribution.records import Explanation
from ..data import Dataset
from ..data.images import Images
from ..errors import UserError, nearest
from ..inside.evaluation import Evaluation
from ..inside.filters import Filters
from ..inside.maps import FeatureMaps
from ..inside.top_images import TopImages
from ..maximize.maximization import MaximizationResult
from ..runs.model import Model

SECTIONS = (
    "curves",
    "mistakes",
    "layers",
    "filters",
    "maps",
    "top_images",
    "preferred",
    "attributions",
)


@dataclass(frozen=True)
class Options:
    """Settings of a report.

    `images` are ids or files (none: chosen ones); `leave_out` names sections. `k` is the number of
    top images a map, `steps` the length of each ascent, and `verdict_digits` the number of test
    digits on which attribution methods are judged (0: no verdicts; None: the default of `explain`).
    `seed` is that of ascents and attributions.
    """

    images: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    k: int = 6
    steps: int = 100
    verdict_digits: int | None = None
    seed: int = 0
    data_root: str | None = None

    def __post_init__(self) -> None:
        for section in self.leave_out:
            if section not in SECTIONS:
                raise UserError(
                    f"leave_out = {section!r}: no such section; {nearest(section, SECTIONS)}"
                )
        for key, lowest in (("k", 1), ("steps", 1), ("verdict_digits", 0)):
            value = getattr(self, key)
            if value is not None and value < lowest:
                raise UserError(f"{key} = {value!r} cannot work; accepted: {lowest} or more")


@dataclass(frozen=True)
class Content:
    """The records of one report; `missing` holds, for each absent section, the reason."""

    model: Model
    class_names: tuple[str, ...]
    digits: Images
    summary: dict[str, Any] = field(default_factory=dict)
    config: str = ""
    history: dict[str, list[float]] = field(default_factory=dict)
    dataset: Dataset | None = None
    evaluation: Evaluation | None = None
    filters: tuple[Filters, ...] = ()
    maps: tuple[FeatureMaps, ...] = ()
    top_images: tuple[TopImages, ...] = ()
    preferred: tuple[MaximizationResult, ...] = ()
    explanation: Explanation | None = None
    missing: dict[str, str] = field(default_factory=dict)
