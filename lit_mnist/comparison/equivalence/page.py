"""The record of a comparison, and its page in Markdown and in self-contained HTML."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ...files import write_text
from ...pages import html_image, html_page, html_table, markdown_table
from .runs import CONTROL, KERAS, OURS, SIDES, Plan
from .statistics import Equivalence, compare_means, mcnemar

NAMES = {OURS: "lit_mnist", KERAS: "Keras", CONTROL: "Keras, other seeds"}
PAIRS = {
    "lit_mnist - Keras": (OURS, KERAS),
    "Keras, other seeds - Keras (control)": (CONTROL, KERAS),
}
Records = Mapping[tuple[str, int], Mapping[str, Any]]
Block = tuple[str, Any]  # ("heading" | "text" | "table" | "picture", content)


def results(
    plan: Plan, records: Records, layers: Sequence[Mapping[str, Any]], margin: float, alpha: float
) -> dict[str, Any]:
    """Return the comparison as plain values; accuracies in percent, differences in points."""
    by_side = {side: [records[key] for key in plan.trainings if key[0] == side] for side in SIDES}
    accuracy = {
        side: [100 * record["test/acc"] for record in records] for side, records in by_side.items()
    }
    tests = {
        name: compare_means(accuracy[a], accuracy[b], margin, alpha)
        for name, (a, b) in PAIRS.items()
    }
    first = by_side[OURS][0]
    return {
        "verdict": tests["lit_mnist - Keras"].verdict,
        "config": str(plan.config),
        "epochs": plan.epochs,
        "options": list(plan.options),
        "seeds": plan.seeds,
        "dataset": first["dataset"],
        "images": first["images"],
        "note": first["note"],
        "accuracy": accuracy,
        "tests": {name: asdict(test) for name, test in tests.items()},
        "mcnemar": {
            name: [
                asdict(mcnemar(x["wrong"], y["wrong"])) | {"seeds": [x["seed"], y["seed"]]}
                for x, y in zip(by_side[a], by_side[b], strict=True)
            ]
            for name, (a, b) in PAIRS.items()
        },
        "layers": list(layers),
        "trainings": [dict(records[key]) for key in plan.trainings],
        "versions": first["versions"],
        "hardware": first["hardware"],
        "median_seconds": {
            side: float(np.median([record["wall_seconds"] for record in records]))
            for side, records in by_side.items()
        },
    }


def write_page(
    comparison: Mapping[str, Any], pictures: Mapping[str, bytes], command: str, folder: Path
) -> list[Path]:
    """Write ``compare.md``, with its pictures, and ``compare.html``; return both paths."""
    blocks = _blocks(comparison, list(pictures), command)
    page = "\n".join(_html(block, pictures) for block in blocks)
    whole = html_page("lit_mnist and Keras compared", page)
    return [
        write_text(folder / "compare.md", "\n\n".join(map(_markdown, blocks)) + "\n"),
        write_text(folder / "compare.html", whole),
    ]


def pictures(comparison: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the page's pictures as PNG by file name."""
    from ...figures.canvas import to_bytes
    from ...figures.comparison import accuracy_distributions, curves, intervals

    seeds = comparison["seeds"]
    histories = {
        NAMES[side]: [record["history"] for record in comparison["trainings"][i :: len(SIDES)]][
            :seeds
        ]
        for i, side in enumerate(SIDES)
    }
    tests = comparison["tests"]
    drawn = {
        "accuracies.png": accuracy_distributions(
            {NAMES[side]: v for side, v in comparison["accuracy"].items()}
        ),
        "differences.png": intervals(
            {
                name: (t["interval"][0], t["difference"], t["interval"][1])
                for name, t in tests.items()
            },
            next(iter(tests.values()))["margin"],
        ),
    }
    for key, name, logarithmic in (
        ("train_loss", "training loss", True),
        ("val_loss", "validation loss", True),
        ("val_acc", "validation accuracy", False),
    ):
        groups = {group: [history[key] for history in runs] for group, runs in histories.items()}
        if all(map(len, (run for runs in groups.values() for run in runs))):
            drawn[f"{key}.png"] = curves(groups, name, logarithmic)
    return {name: to_bytes(figure) for name, figure in drawn.items()}


def sentence(name: str, test: Mapping[str, Any] | Equivalence) -> str:
    """Return one comparison's verdict and its numbers as a sentence."""
    test = asdict(test) if isinstance(test, Equivalence) else test
    n = test["first"]["n"], test["second"]["n"]
    if min(n) < 2:
        return f"{name}: {test['verdict']} (n = {n[0]} and {n[1]}: no spread can be estimated)"
    low, high = test["interval"]
    return (
        f"{name}: {test['verdict']} (difference {test['difference']:+.3f} points, "
        f"{100 * (1 - 2 * test['alpha']):g} % interval {low:+.3f} to {high:+.3f}, margin "
        f"{test['margin']:g}; p = {test['p_equivalent']:.2g} for equivalence, "
        f"{test['p_different']:.2g} for a difference; power {test['power']:.2f}; n = {n[0]} and "
        f"{n[1]})"
    )


def _blocks(comparison: Mapping[str, Any], names: Sequence[str], command: str) -> list[Block]:
    versions = ", ".join(f"{name} {version}" for name, version in comparison["versions"].items())
    hardware = ", ".join(f"{key} {value}" for key, value in comparison["hardware"].items())
    tests = list(comparison["tests"].values())
    return [
        ("heading", f"lit_mnist and Keras compared: {tests[0]['verdict']}"),
        (
            "text",
            f"{comparison['config']}, {comparison['epochs']} epochs, "
            f"{comparison['images']} {comparison['dataset']} test images, "
            f"{comparison['seeds']} seeds a group. Made with: {command}",
        ),
        *([("text", f"NOTE: {comparison['note']}")] if comparison["note"] else []),
        *[("text", sentence(name, test)) for name, test in comparison["tests"].items()],
        (
            "text",
            "Equivalent: both of Welch's one-sided tests reject a difference as large as the "
            "margin. Different: not so, and Welch's two-sided test rejects equal means. "
            'Undecided: neither. Power: how likely "equivalent" was, had the true difference been '
            "zero, at this n and spread. A seed gives both frameworks the same start and order of "
            "images, so their accuracies may be correlated; Welch's tests ignore that, which makes "
            "equivalence harder to show, never easier, if the correlation is positive.",
        ),
        ("heading", "Accuracy"),
        ("table", _accuracies(comparison)),
        *[("picture", name) for name in names],
        ("heading", "Layers at the same initial weights"),
        (
            "table",
            [
                [
                    "layer",
                    "shape",
                    "Keras' shape",
                    "parameters",
                    "Keras' parameters",
                    "largest difference",
                ],
                *[_layer(row) for row in comparison["layers"]],
            ],
        ),
        (
            "heading",
            "McNemar's test, pair by pair (a diagnostic: it compares two networks, not two ways "
            "to train)",
        ),
        *[
            block
            for name, pairs in comparison["mcnemar"].items()
            for block in (
                ("text", name),
                (
                    "table",
                    [
                        ["seeds", "first alone wrong", "second alone wrong", "p"],
                        *[_pair(pair) for pair in pairs],
                    ],
                ),
            )
        ],
        ("text", f"Versions: {versions}. Hardware: {hardware}."),
    ]


def _accuracies(comparison: Mapping[str, Any]) -> list[list[str]]:
    first, second = comparison["tests"].values()
    summaries = {OURS: first["first"], KERAS: first["second"], CONTROL: second["first"]}
    return [
        ["", "mean, %", "standard deviation", "n", "seconds a training (median)"],
        *[
            [
                NAMES[side],
                f"{s['mean']:.3f}",
                f"{s['deviation']:.3f}",
                str(s["n"]),
                f"{comparison['median_seconds'][side]:.0f}",
            ]
            for side, s in summaries.items()
        ],
    ]


def _layer(row: Mapping[str, Any]) -> list[str]:
    difference = row["largest_difference"]
    sides = (row["ours"], row["keras"])
    shapes = [" x ".join(map(str, side["shape"] or ())) or "-" for side in sides]
    counts = ["-" if side["parameters"] is None else f"{side['parameters']:,}" for side in sides]
    return [row["layer"], *shapes, *counts, "-" if difference is None else f"{difference:.1e}"]


def _pair(pair: Mapping[str, Any]) -> list[str]:
    return [
        " and ".join(map(str, pair["seeds"])),
        str(pair["first_alone_wrong"]),
        str(pair["second_alone_wrong"]),
        f"{pair['p']:.3f}",
    ]


def _markdown(block: Block) -> str:
    kind, content = block
    if kind == "table":
        return markdown_table(content, numbers=True)
    return {
        "heading": f"## {content}",
        "picture": f"![{content}]({content})",
        "text": str(content),
    }[kind]


def _html(block: Block, images: Mapping[str, bytes]) -> str:
    kind, content = block
    if kind == "table":
        return html_table(content)
    if kind == "picture":
        return html_image(content, images[content])
    return {"heading": "<h2>{}</h2>", "text": "<p>{}</p>"}[kind].format(html.escape(str(content)))
