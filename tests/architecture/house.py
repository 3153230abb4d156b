"""Measures the code: modules a folder, lines a function, imports that run upward. `scripts/house` prints it."""

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from tests.architecture.repository import FLOORS, ROOT

MOST_MODULES = 15
"""In one folder: as many names as a reader can take in at once."""
UNLIMITED = ("services/commands", "models/migrations", "models/migrations/versions")
"""Folders that list things: one module a command, one a step of the schema."""
HEIGHT = {"models": 0, "ingest": 1, "alerts": 1, "simulators": 1, "services": 2}
ONLY_FOR = {"services.commands": ("simulators",)}


@dataclass(frozen=True, slots=True)
class House:
    """What was measured. `folders`: modules of each folder, without `__init__`; `functions`: lines of each function."""

    folders: dict[str, int]
    functions: list[int]
    upward: list[str]
    road_lines: int

    @property
    def crowded(self) -> list[str]:
        """Folders with more than MOST_MODULES modules."""
        return [
            f"{folder} ({count})"
            for folder, count in self.folders.items()
            if count > MOST_MODULES and folder not in UNLIMITED
        ]


def measure(root: Path = ROOT) -> House:
    """Measure the five packages of a checkout."""
    folders: Counter[str] = Counter()
    functions: list[int] = []
    upward: list[str] = []
    for floor in FLOORS:
        for path in sorted((root / floor).rglob("*.py")):
            name, tree = path.relative_to(root), ast.parse(path.read_text(encoding="utf-8"))
            if path.name != "__init__.py":
                folders[name.parent.as_posix()] += 1
            functions += [
                (node.end_lineno or node.lineno) - node.lineno + 1
                for node in ast.walk(tree)
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            ]
            upward += [f"{name} -> {other}" for other in _imported(tree) if _runs_upward(name.parts, other)]
    return House(dict(sorted(folders.items())), functions, upward, _road_lines(root))


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _runs_upward(importer: tuple[str, ...], imported: str) -> bool:
    mine, other = importer[0], imported.split(".", maxsplit=1)[0]
    if other not in HEIGHT or mine == other:
        return False
    allowed = ONLY_FOR.get(".".join(importer[:2]), ())
    return HEIGHT[other] >= HEIGHT[mine] and other not in allowed


def _road_lines(root: Path) -> int:
    """Lines from the receiving to the acknowledging step of the pipeline's road, 0 where there is no such file."""
    road = root / "services/pipeline/road.py"
    if not road.exists():
        return 0
    tree = ast.parse(road.read_text(encoding="utf-8"))
    steps = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name in ("run", "process", "_commit", "write")
    ]
    return max(node.end_lineno or 0 for node in steps) - min(node.lineno for node in steps) + 1


def main(folder: str | None = None) -> int:
    """Print the table."""
    house = measure(Path(folder) if folder else ROOT)
    for name, count in house.folders.items():
        print(f"{count:4}  {name}")
    tenths = quantiles(house.functions, n=10)
    print(f"\nfolders {len(house.folders)}, of more than {MOST_MODULES} modules: {', '.join(house.crowded) or 'none'}")
    print(f"functions {len(house.functions)}: median {median(house.functions):g} lines, p90 {tenths[-1]:g}")
    print(f"longest function {max(house.functions)} lines")
    print(f"imports between floors that run upward: {', '.join(house.upward) or 'none'}")
    print(f"the road of a message: {house.road_lines} lines, from receive to acknowledge")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
