"""Publish a run as a checkpoint folder: ``python experiments/export.py runs/cnn/NAME checkpoints/cnn --data auto``.

The published weights (float16) are judged on PublicTest and PrivateTest; config.json and the card tell the figures. Of
a GAN the generator alone is published. Of a checkpoint folder in the place of a run the weights stay as they are, and
config.json and card are made anew, e.g. with figures that came later.
"""

import json
import shutil
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_data.errors import UserError, sentences

if TYPE_CHECKING:
    from fer_data.table import FaceTable
    from fer_models.hub import Checkpoint


def main(argv: Sequence[str] | None = None) -> None:
    """Export as the command line says."""
    parser = ArgumentParser(prog="export.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("run", type=Path, help="folder of a run, or a .ckpt of it; or a checkpoint, to judge again")
    parser.add_argument("target", type=Path, help="checkpoint folder to write, e.g. checkpoints/cnn")
    parser.add_argument("--data", default="auto", help="FER2013, to judge on; as for train.py (default: auto)")
    parser.add_argument("--cas", action="store_true", help="as for evaluate.py")
    options = parser.parse_args(argv)
    with sentences():
        export(options)


def export(options: Namespace) -> None:
    """Write the checkpoint, judge what was written, and add the figures."""
    from fer_data.fer2013 import fingerprint, load
    from fer_models import hub
    from fer_models.card import generator_card, model_card
    from fer_models.evaluation import calibrate, judge_published
    from fer_models.networks.base import Generator
    from fer_models.provenance import commit

    again = (options.run / hub.CONFIG).is_file()
    trained = hub.load(str(options.run)) if again else hub.load_run(_best(options.run))
    run = {} if again else _run_facts(_best(options.run).resolve().parents[1])
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
        raise UserError(f"--data {options.data} is not what {options.run} was trained on: its fingerprint differs")
    with hub.new_folder(options.target) as folder:
        if again:
            shutil.copytree(options.run, folder)
        hub.save_checkpoint(folder, trained.network, config, card="")
        published = hub.load(str(folder))
        if isinstance(published.network, Generator):
            config["metrics"] = generator_metrics(published, options.target.name, table, options.cas)
            card, told = generator_card(options.target.name, config), config["metrics"]["test"]["sets"]["generated"]
            result, command = f"FD-FER to PrivateTest {told['fd_fer']:.3f}", "generate"
        else:
            config["metrics"] = judge_published(published, table)
            config["calibration"] = calibrate(published, table)
            card, told = model_card(options.target.name, config), config["metrics"]["test"]
            result, command = f"PrivateTest accuracy {told['accuracy']:.4f}", "predict PHOTO"
        hub.save_checkpoint(folder, trained.network, config, card)
    print(f"{options.target}: {result}")
    print(f"next: fer-models {command} --model {options.target}")


def generator_metrics(published: "Checkpoint", name: str, table: "FaceTable", cas: bool) -> dict[str, Any]:
    """Judge a generator on PrivateTest, and write the report; on PublicTest it was judged in training."""
    from fer_models.generate import FaceGenerator
    from fer_models.generation_report import judge_generator

    generator = FaceGenerator(published)
    metrics, _ = judge_generator(
        name, generator.sample, table, "test", Path("reports") / f"{name}-test",
        conditional=generator.conditional, interpolate=generator.interpolate, cas=cas,
    )  # fmt: skip
    return {"test": metrics}


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
