"""Publish a run as a checkpoint folder: ``python experiments/export.py runs/cnn/NAME checkpoints/cnn --data auto``.

The published weights (float16) are judged on PublicTest and PrivateTest; config.json and the card tell the figures. Of
a GAN the generator alone is published. Of a checkpoint folder in the place of a run the weights stay as they are, and
config.json and card are made anew, e.g. with figures that came later.

``python experiments/export.py checkpoints/cnn --format onnx`` adds the published network as ONNX, checked against
torch; of a classifier also in 8 bits, if that is faster and costs 0.3 points of PublicTest's accuracy or less.
"""

import json
import shutil
import statistics
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_data.errors import UserError, sentences

if TYPE_CHECKING:
    from fer_data.table import FaceTable
    from fer_models.hub import Checkpoint

INT8_POINTS = 0.3
"""So many points of PublicTest's accuracy may 8 bits cost."""


def main(argv: Sequence[str] | None = None) -> None:
    """Export as the command line says."""
    parser = ArgumentParser(prog="export.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("source", type=Path, help="folder of a run, or a .ckpt of it; or a checkpoint folder")
    parser.add_argument("target", type=Path, nargs="?", help="checkpoint folder to write, e.g. checkpoints/cnn")
    parser.add_argument(
        "--format", choices=["safetensors", "onnx"], default="safetensors", help="what to write (default: %(default)s)"
    )
    parser.add_argument("--data", default="auto", help="FER2013, to judge on; as for train.py (default: auto)")
    parser.add_argument("--cas", action="store_true", help="as for evaluate.py")
    options = parser.parse_args(argv)
    with sentences():
        if (options.format == "onnx") == (options.target is not None):
            raise UserError(
                "give a target for a run; give none with --format onnx, which adds to a published checkpoint"
            )
        if options.format == "onnx":
            export_onnx(options.source, options.data)
        else:
            export(options)


def export(options: Namespace) -> None:
    """Write the checkpoint, judge what was written, and add the figures."""
    from fer_data.fer2013 import fingerprint, load
    from fer_models import hub
    from fer_models.card import card_of
    from fer_models.judging.evaluation import calibrate, judge_published
    from fer_models.networks.base import Generator
    from fer_models.provenance import commit

    again = (options.source / hub.CONFIG).is_file()
    trained = hub.load(str(options.source)) if again else hub.load_run(_best(options.source))
    run = {} if again else _run_facts(_best(options.source).resolve().parents[1])
    table = load(options.data)
    config = {
        **trained.config,
        "preprocess": trained.preprocess.to_dict(),
        "parameters": sum(p.numel() for p in trained.network.parameters()),
        "training": {**trained.config["training"], **run},
        "data_fingerprint": fingerprint(table),
        "git_commit": commit(),
    }
    if config["training"].get("data_fingerprint") != config["data_fingerprint"]:
        raise UserError(f"--data {options.data} is not what {options.source} was trained on: its fingerprint differs")
    with hub.new_folder(options.target) as folder:
        if again:
            shutil.copytree(options.source, folder)
        hub.save_checkpoint(folder, trained.network, config, card="")
        published = hub.load(str(folder))
        if isinstance(published.network, Generator):
            config["metrics"] = generator_metrics(published, options.target.name, table, options.cas)
            told = config["metrics"]["test"]["sets"]["generated"]
            result, command = f"FD-FER to PrivateTest {told['fd_fer']:.3f}", "generate"
        else:
            config["metrics"], answers = judge_published(published, table)
            config["calibration"] = calibrate(answers)
            told = config["metrics"]["test"]
            result, command = f"PrivateTest accuracy {told['accuracy']:.4f}", "predict PHOTO"
        hub.save_checkpoint(folder, trained.network, config, card_of(options.target.name, config))
    print(f"{options.target}: {result}")
    print(f"next: fer-models {command} --model {options.target}")


def generator_metrics(published: "Checkpoint", name: str, table: "FaceTable", cas: bool) -> dict[str, Any]:
    """Judge a generator on PrivateTest, and write the report; on PublicTest it was judged in training."""
    from fer_models.generate import FaceGenerator
    from fer_models.judging.generation_report import judge_generator

    generator = FaceGenerator(published)
    metrics, _ = judge_generator(
        name, generator.sample, table, "test", Path("reports") / f"{name}-test",
        conditional=generator.conditional, interpolate=generator.interpolate, cas=cas,
    )  # fmt: skip
    return {"test": metrics}


def export_onnx(folder: Path, data: str) -> None:
    """Add the network as ONNX, and tell in the folder's config.json and card how it does."""
    from fer_models import hub
    from fer_models.card import card_of
    from fer_models.networks.base import Classifier
    from fer_models.onnx_export import write_onnx

    folder = hub.folder_of(str(folder))
    told: dict[str, Any] = {"max_error": write_onnx(folder), "int8": None}
    checkpoint = hub.load(str(folder))
    if isinstance(checkpoint.network, Classifier):
        told["int8"] = add_int8(checkpoint, folder, data)
    config = {**checkpoint.config, "onnx": told}
    hub.save_config(folder, config, card_of(checkpoint.name, config))
    print(f"{folder / hub.ONNX}: at most {told['max_error']:.1g} from torch")
    if told["int8"]:
        print(f"{folder / hub.ONNX_INT8}: {told['int8']['verdict']}")


def add_int8(checkpoint: "Checkpoint", folder: Path, data: str) -> dict[str, Any]:
    """Write a classifier in 8 bits, measure it, and keep it only where that pays."""
    from fer_data.fer2013 import load
    from fer_data.table import USAGES
    from fer_models import hub
    from fer_models.judging.evaluation import evaluate
    from fer_models.onnx_export import write_int8

    table = load(data)
    write_int8(folder, table.images[table.usage == USAGES.index("Training")])
    accuracy = {
        name: evaluate([checkpoint], table, "val", backend=name)[0]["accuracy"] for name in ("onnx", "onnx-int8")
    }
    speedup = one_face_speedup(checkpoint)
    lost = 100 * (accuracy["onnx"] - accuracy["onnx-int8"])
    measured = f"{lost:.2f} points of PublicTest's accuracy lost, one face {speedup:.1f} times as fast"
    kept = lost <= INT8_POINTS and speedup > 1
    if not kept:
        (folder / hub.ONNX_INT8).unlink()
    return {
        "published": kept,
        "val_accuracy": accuracy["onnx-int8"],
        "val_accuracy_float32": accuracy["onnx"],
        "speedup": speedup,
        "verdict": f"{'published' if kept else 'not published'}: {measured}",
    }


def one_face_speedup(checkpoint: "Checkpoint", rounds: int = 200) -> float:
    """Give how many times as fast as the float32 ONNX the 8-bit one answers for one face; both take turns."""
    from fer_models.backends import backend_of
    from fer_models.onnx_export import examples

    face = examples(checkpoint, 1)
    backends = {name: backend_of(checkpoint, name) for name in ("onnx", "onnx-int8")}
    seconds: dict[str, list[float]] = {name: [] for name in backends}
    for _ in range(rounds):
        for name, backend in backends.items():
            start = time.perf_counter()
            backend(**face)
            seconds[name].append(time.perf_counter() - start)
    return statistics.median(seconds["onnx"]) / statistics.median(seconds["onnx-int8"])


def _best(run: Path) -> Path:
    return run if run.suffix == ".ckpt" else run / "checkpoints" / "best.ckpt"


def _run_facts(run_dir: Path) -> dict[str, Any]:
    path = run_dir / "run.json"
    try:
        facts: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}, which tells how the run was trained, can't be read ({error})") from error
    return facts


if __name__ == "__main__":
    main()
