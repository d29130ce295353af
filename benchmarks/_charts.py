"""The charts of the docs: SVG files that are the same bytes for the same figures, readable on light and dark pages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

CHARTS = Path(__file__).parent.parent / "docs" / "explanation" / "charts"

_OURS = "#d1495b"
_OTHERS = ("#30638e", "#edae49", "#00798c", "#8d6a9f", "#7a7a7a", "#5b8e7d", "#b36a5e", "#a3a3a3", "#4f6d7a")
_DASHES = ("-", "--", ":", "-.")
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "evenflow",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "figure.facecolor": "white",
}


def _paint(labels: Mapping[str, object]) -> dict[str, str]:
    """A colour for each label; evenflow always has the same one."""
    others = iter(_OTHERS * (1 + len(labels) // len(_OTHERS)))
    return {label: _OURS if label.startswith("evenflow") else next(others) for label in labels}


def lines(name: str, title: str, across: str, up: str, series: Mapping[str, Mapping[float, float]]) -> None:
    """Draw one line for each label; both axes are logarithmic."""
    with _drawing(name, 4.2) as axes:
        paint = _paint(series)
        drawn = {True: 0, False: 0}
        for label, points in series.items():
            mine = label.startswith("evenflow")
            dash = drawn[mine] % len(_DASHES) if mine else drawn[mine] // len(_OTHERS)
            drawn[mine] += 1
            axes.plot(
                list(points),
                list(points.values()),
                label=label,
                color=paint[label],
                marker="o",
                markersize=4,
                linewidth=2.4 if mine else 1.4,
                linestyle=_DASHES[dash],
                zorder=3 if mine else 2,
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        axes.set_title(title, loc="left")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=9)


def bars(name: str, title: str, across: str, values: Mapping[str, float]) -> None:
    """Draw horizontal bars with their figures, the shortest at the top."""
    with _drawing(name, 1.2 + 0.36 * len(values)) as axes:
        ordered = dict(sorted(values.items(), key=lambda item: -item[1]))
        paint = _paint(ordered)
        drawn = axes.barh(list(ordered), list(ordered.values()), color=[paint[label] for label in ordered])
        axes.bar_label(
            drawn, labels=[f" {value:,.3g}" if value < 100 else f" {value:,.0f}" for value in ordered.values()]
        )
        axes.set_xscale("log")
        axes.set_xlabel(across)
        axes.set_title(title, loc="left")
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.15)


class _drawing:  # noqa: N801 - used as a function
    """A drawing that is written to its file at the end of the `with` block."""

    def __init__(self, name: str, height: float) -> None:
        self._path = CHARTS / f"{name}.svg"
        self._height = height

    def __enter__(self) -> Any:
        import matplotlib as mpl  # imported here because it is slow to import, and only full runs draw

        mpl.use("svg")
        mpl.rcParams.update(_STYLE)
        from matplotlib import pyplot as plt

        self._plot = plt
        self._figure, axes = plt.subplots(figsize=(8.2, self._height))
        return axes

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            CHARTS.mkdir(parents=True, exist_ok=True)
            self._figure.savefig(self._path, format="svg", metadata={"Date": None}, bbox_inches="tight")
        self._plot.close(self._figure)
