"""The model without the folder that parallelises it: nothing else needs it, and one process gives the same numbers."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import reference_model

PACKAGE = Path(reference_model.__file__).parent
CODE = """
import reference_model, sys
from pathlib import Path
import torch
from reference_model.packaged import packaged_folder
from reference_model.checkpoint import load_pipeline
assert not (Path(reference_model.__file__).parent / "parallel").exists()
pipeline = load_pipeline(packaged_folder("tiny"), dtype=torch.float32)
video, = pipeline("a red circle moves left", seeds=1, num_steps=2)
print(int(video.frames.long().sum()), [name for name in sys.modules if name.startswith("reference_model.parallel")])
"""


def imports_at_load(file: Path) -> set[str]:
    """Modules that importing a file imports; not what functions import, nor what only type checkers see."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.FunctionDef) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        ):
            return
        if isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(file.read_text(encoding="utf-8")))
    return found


def test_nothing_else_imports_it_at_load():
    others = [file for file in PACKAGE.rglob("*.py") if "parallel" not in file.relative_to(PACKAGE).parts]
    assert len(others) > 80
    guilty = [file.name for file in others if any("reference_model.parallel" in name for name in imports_at_load(file))]
    assert not guilty


def test_transformer_and_vae_know_no_processes():
    for part in ("transformer", "vae", "text", "sampling"):
        for file in (PACKAGE / part).glob("*.py"):
            assert not any("distributed" in name for name in imports_at_load(file)), file


@pytest.mark.slow
def test_the_same_clip_without_the_folder(tmp_path):
    from reference_model.checkpoint import load_pipeline
    from reference_model.packaged import packaged_folder

    shutil.copytree(PACKAGE, tmp_path / "reference_model", ignore=shutil.ignore_patterns("parallel", "__pycache__"))
    environment = {"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    result = subprocess.run(
        [sys.executable, "-c", CODE], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    (video,) = load_pipeline(packaged_folder("tiny"), dtype=torch.float32)(
        "a red circle moves left", seeds=1, num_steps=2
    )
    assert result.stdout.split(" ", 1) == [str(int(video.frames.long().sum())), "[]\n"], result.stderr
