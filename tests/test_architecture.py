"""The shape of the project: what may import what, and where torch.load may stand."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = sorted((ROOT / "packages").rglob("*.py"))


def imports(path: Path) -> set[str]:
    """List the top-level names that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def test_packages_import_neither_app_nor_experiments():
    outside = {"app", "fer_demo", "gradio"} | {path.stem for path in (ROOT / "experiments").rglob("*.py")}
    assert not {str(path): imports(path) & outside for path in PACKAGES if imports(path) & outside}


def test_fer_data_does_not_import_fer_models():
    assert not [path for path in PACKAGES if "fer_data/src" in str(path) and "fer_models" in imports(path)]


def test_networks_import_torch_only():
    for path in (ROOT / "packages/fer_models/src/fer_models/networks").glob("*.py"):
        assert imports(path) <= {"torch", "torchvision", "abc", "collections", "itertools", "typing", "fer_models"}, (
            path
        )
        ours = [line for line in path.read_text().splitlines() if "import" in line and "fer_models" in line]
        assert all(line.startswith("from fer_models.networks") for line in ours), path


def test_albumentations_stands_in_one_file():
    assert [path.name for path in PACKAGES if "albumentations" in imports(path)] == ["augment.py"]


def test_torch_load_stands_in_one_place_and_is_safe():
    sources = [*PACKAGES, *(ROOT / "experiments").rglob("*.py"), *(ROOT / "apps").rglob("*.py")]
    calls = [line for path in sources for line in path.read_text().splitlines() if "torch.load(" in line]
    assert len(calls) == 1 and "weights_only=True" in calls[0]


def test_serving_stays_light():
    code = "import sys, fer_models.predict, fer_models.predict_cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"lightning", "wandb", "albumentations", "pandas", "matplotlib"} & set(loaded)
