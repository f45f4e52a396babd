"""How often nominal 95 % intervals hold the truth, simulated; `--write` puts the tables into docs/statistics.md.

OMP_NUM_THREADS=1 python benchmarks/interval_coverage.py --write            # 2,000 simulations of each case: minutes
python benchmarks/interval_coverage.py --only bradley_terry --simulations 200
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib
from pathlib import Path

import numpy as np
from coverage_cases import CASES, Case

from stepbench.stats import e_process

PAGE = Path(__file__).resolve().parents[1] / "docs" / "statistics.md"
BEGIN, END = "<!-- measured by benchmarks/interval_coverage.py -->", "<!-- end of measured -->"
LOW, HIGH = 0.93, 0.97


def coverage(case: Case, simulations: int) -> tuple[float, float]:
    """Share of intervals that hold the truth, and the standard error of that share (over simulations)."""
    # A stream of its own for each case, so that its figure does not hang on which others run.
    rng = np.random.default_rng(zlib.crc32(f"{case.procedure} {case.world}".encode()))
    shares = np.array(
        [np.mean([low <= truth <= high for low, truth, high in case.simulate(rng)]) for _ in range(simulations)]
    )
    return float(shares.mean()), float(shares.std() / np.sqrt(simulations))


def false_alarms(simulations: int, looks: int) -> list[tuple[str, float, float]]:
    """Share of studies of equal models that ever look significant: by the e-process, and by a z test at each look."""
    rng = np.random.default_rng(6)
    found = []
    for name, chances in (("no ties", [0.5, 0.0, 0.5]), ("20 % ties", [0.4, 0.2, 0.4]), ("60 % ties", [0.2, 0.6, 0.2])):
        outcomes = rng.choice([1.0, 0.5, 0.0], p=chances, size=(simulations, looks))
        by_e = np.mean([(e_process(row) >= 20).any() for row in outcomes])
        count = np.arange(20, looks + 1)
        z = (outcomes.cumsum(axis=1)[:, 19:] - count / 2) / np.sqrt(count * (1 - chances[1]) / 4)
        found.append((name, float(by_e), float(np.mean((np.abs(z) > 1.96).any(axis=1)))))
    return found


def rows(cases: list[Case], simulations: int) -> list[str]:
    """The measured rows in Markdown."""
    lines = []
    for case in cases:
        start = time.perf_counter()
        share, error = coverage(case, simulations)
        inside = "yes" if LOW <= share <= HIGH else f"**no**: {case.note or 'not explained'}"
        lines.append(f"| `{case.procedure}` | {case.world} | {100 * share:.1f} % ± {100 * error:.1f} | {inside} |")
        print(f"{lines[-1]}  {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return lines


def monitoring_rows(simulations: int) -> list[str]:
    """Rows of error rates under continuous looking."""
    found = false_alarms(simulations, 1000)
    return [f"| equal models, {name} | {100 * e:.1f} % | {100 * z:.0f} % |" for name, e, z in found]


def page_with(rows: list[str], page: str, simulations: int) -> str:
    """The page with these rows in place of those that begin with the same two cells, in the order of the cases."""
    before, _, rest = page.partition(BEGIN)
    old, _, after = rest.partition(END)
    known = {_name(line): line for line in [*old.splitlines(), *rows] if line.startswith(("| `", "| equal"))}
    order = [f"| `{case.procedure}` | {case.world}" for case in CASES]
    measured = [known[name] for name in order if name in known]
    monitored = [line for name, line in known.items() if name.startswith("| equal")]
    said = f"{simulations:,} simulations of each row; ± is one standard error of the simulation."
    tables = [
        "| function | simulated | coverage | within 93 to 97 % |",
        "| --- | --- | --- | --- |",
        *measured,
        "",
        "| 1,000 looks | e-process ever at 20 | z test ever at 5 % |",
        "| --- | --- | --- |",
        *monitored,
    ]
    return f"{before}{BEGIN}\n{said}\n\n" + "\n".join(tables) + f"\n{END}{after}"


def _name(line: str) -> str:
    return "|".join(line.split("|")[: 2 if line.startswith("| equal") else 3]).rstrip()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--simulations", type=int, default=2000)
    options.add_argument(
        "--only", default="", help="cases whose function and world begin like this; `e_process` for monitoring"
    )
    options.add_argument("--write", action="store_true", help="put the measured rows into docs/statistics.md")
    asked = options.parse_args()
    cases = [case for case in CASES if f"{case.procedure} {case.world}".startswith(asked.only)]
    monitored = "e_process".startswith(asked.only)
    if asked.simulations < 1 or not (cases or monitored):
        options.error(f"nothing to simulate: {asked.simulations} simulations of {len(cases)} cases")
    measured = rows(cases, asked.simulations) + (monitoring_rows(asked.simulations) if monitored else [])
    if asked.write:
        PAGE.write_text(page_with(measured, PAGE.read_text(encoding="utf-8"), asked.simulations), encoding="utf-8")
    print("\n".join(measured))


if __name__ == "__main__":
    main()
