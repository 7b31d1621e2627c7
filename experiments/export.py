"""Publish a run as a checkpoint folder: ``python experiments/export.py runs/cnn/NAME checkpoints/cnn --data auto``.

The published weights (float16) are judged on PublicTest and PrivateTest; config.json and the card tell the figures.
"""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fer_data.errors import UserError, sentences


def main(argv: Sequence[str] | None = None) -> None:
    """Export as the command line says."""
    parser = ArgumentParser(prog="export.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("run", type=Path, help="folder of a run, or a .ckpt of it")
    parser.add_argument("target", type=Path, help="checkpoint folder to write, e.g. checkpoints/cnn")
    parser.add_argument("--data", default="auto", help="FER2013, to judge on; as for train.py (default: auto)")
    options = parser.parse_args(argv)
    with sentences():
        export(options)


def export(options: Namespace) -> None:
    """Write the checkpoint, judge what was written, and add the figures."""
    from fer_data.fer2013 import fingerprint, load
    from fer_models import hub
    from fer_models.card import model_card
    from fer_models.evaluation import judge_published
    from fer_models.provenance import commit

    source = options.run if options.run.suffix == ".ckpt" else options.run / "checkpoints" / "best.ckpt"
    trained = hub.load_run(source)
    run = _run_facts(source.resolve().parents[1])
    table = load(options.data)
    if run.get("data_fingerprint") != fingerprint(table):
        raise UserError(f"--data {options.data} is not what {options.run} was trained on: its fingerprint differs")
    config = {
        "model": trained.config["model"],
        "network_config": trained.config["network_config"],
        "preprocess": trained.preprocess.to_dict(),
        "parameters": sum(p.numel() for p in trained.network.parameters()),
        "training": {**trained.config["training"], **run},
        "data_fingerprint": fingerprint(table),
        "git_commit": commit(),
    }
    with hub.new_folder(options.target) as folder:
        hub.save_checkpoint(folder, trained.network, config, card="")
        config["metrics"] = judge_published(hub.load(str(folder)), table)
        hub.save_checkpoint(folder, trained.network, config, model_card(options.target.name, config))
    accuracy = config["metrics"]["test"]["accuracy"]
    print(f"{options.target}: PrivateTest accuracy {accuracy:.4f}")
    print(f"next: fer-models predict PHOTO --model {options.target}")


def _run_facts(run_dir: Path) -> dict[str, Any]:
    path = run_dir / "run.json"
    try:
        facts: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}, which tells how the run was trained, can't be read ({error})") from error
    return facts


if __name__ == "__main__":
    main()
