"""The figures beside their aims: one section for each thing that was measured."""

from collections.abc import Callable
from typing import Any

AIMS = {
    "file_to_pixel_p50_ms": 70.0,
    "file_to_pixel_p99_ms": 150.0,
    "cold_tab_ms": 1800.0,
    "script_ms": 60.0,
    "cpu_one_tab_pct": 5.0,
    "cpu_four_tabs_pct": 20.0,
}


def percentile(values: list[float], percent: float) -> float:
    """The nearest-rank percentile."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))]


def spread(values: list[float]) -> dict[str, float]:
    """p50, p90, p99, worst and how many."""
    return {
        "p50": percentile(values, 50),
        "p90": percentile(values, 90),
        "p99": percentile(values, 99),
        "worst": max(values),
        "n": len(values),
    }


def print_table(machine: str, found: dict[str, Any]) -> None:
    """Print what was measured, in order; what was not asked for is left out."""
    print(machine)
    for name, section in _SECTIONS.items():
        if name in found:
            print()
            section(found)


def _file_to_pixel(found: dict[str, Any]) -> None:
    _spreads("file -> pixel, ms", found["file_to_pixel_ms"])
    ours = found["file_to_pixel_ms"]["bifrost"]
    print(f"the plain page takes {found['file_to_pixel_ratio']:.1f} times as long")
    print(verdict("file -> pixel p50", ours["p50"], AIMS["file_to_pixel_p50_ms"], "ms"))
    print(verdict("file -> pixel p99", ours["p99"], AIMS["file_to_pixel_p99_ms"], "ms"))


def _cold_tab(found: dict[str, Any]) -> None:
    times = found["cold_tab_ms"]
    _spreads("cold tab -> light, ms", times)
    print(f"the plain page takes {times['plain page']['p50'] / times['bifrost']['p50']:.2f} times as long")
    print(verdict("cold tab p50", times["bifrost"]["p50"], AIMS["cold_tab_ms"], "ms"))


def _stop(found: dict[str, Any]) -> None:
    _spreads("STOP click -> file, ms", {"bifrost": found["stop_to_file_ms"]})


def _cpu(found: dict[str, Any]) -> None:
    print(f"{'server, % of a core':<26}{'1 tab':>8}{'4 tabs':>8}")
    for name, row in found["cpu_pct"].items():
        print(f"{name:<26}{row['1']:>8.1f}{row['4']:>8.1f}")
    ours, peer = found["cpu_pct"]["bifrost"], found["cpu_pct"]["plain page"]
    one, four = peer["1"] / ours["1"], peer["4"] / ours["4"]
    print(f"the plain page takes {one:.1f} times as much with one tab, {four:.1f} with four")
    print(verdict("one tab", ours["1"], AIMS["cpu_one_tab_pct"], "%"))
    print(verdict("four tabs", ours["4"], AIMS["cpu_four_tabs_pct"], "%"))


def _memory(found: dict[str, Any]) -> None:
    row = found["memory"]
    print(
        f"memory with one tab, {row['minutes']:g} min, {row['samples']} samples: "
        f"{row['first_mib']:.0f} -> {row['last_mib']:.0f} MiB, at most {row['most_mib']:.0f}; "
        f"second half {row['slope_mib_per_hour']:+.1f} MiB/h"
    )


def _scripts(found: dict[str, Any]) -> None:
    print(f"{'page script, a year, ms':<26}{'first':>8}{'p50':>8}{'worst':>8}{'n':>6}")
    for name, row in found["script_ms"].items():
        print(f"{name:<26}{row['first']:>8.0f}{row['warm_p50']:>8.1f}{row['warm_worst']:>8.1f}{row['n']:>6}")
    name, row = max(found["script_ms"].items(), key=lambda item: item[1]["warm_p50"])
    print(verdict(f"slowest page, {name}", row["warm_p50"], AIMS["script_ms"], "ms"))


def _spreads(title: str, rows: dict[str, dict[str, float]]) -> None:
    print(f"{title:<26}{'p50':>8}{'p90':>8}{'p99':>8}{'worst':>8}{'n':>6}")
    for name, row in rows.items():
        print(f"{name:<26}{row['p50']:>8.0f}{row['p90']:>8.0f}{row['p99']:>8.0f}{row['worst']:>8.0f}{row['n']:>6}")


def verdict(words: str, reached: float, aim: float, unit: str) -> str:
    """An aim, and whether it was reached in this run."""
    return f"{'reached' if reached <= aim else 'MISSED '}  {words}: {reached:.1f} {unit}, aim {aim:g} {unit}"


_SECTIONS: dict[str, Callable[[dict[str, Any]], None]] = {
    "file_to_pixel_ms": _file_to_pixel,
    "cold_tab_ms": _cold_tab,
    "stop_to_file_ms": _stop,
    "cpu_pct": _cpu,
    "memory": _memory,
    "script_ms": _scripts,
}
