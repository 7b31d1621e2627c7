"""Train a model: ``python experiments/train.py --model cnn --data auto``.

Each model has its own options: ``python experiments/train.py --model cnn --help``.
"""

import json
import os
import shlex
import sys
import time
from argparse import ArgumentParser as PlainParser
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from fer_data.errors import UserError, sentences
from fer_models.networks import NETWORKS

MODELS = tuple(NETWORKS)


@dataclass
class Run:
    """The run itself.

    Args:
        max_epochs: Number of passes over Training.
        devices: Number of devices (CPU processes or GPUs), or ``auto``.
        accelerator: ``auto``, ``cpu`` or ``gpu``.
        precision: ``32-true``, ``bf16-mixed`` or ``16-mixed``. Mixed precision is faster on GPUs and on CPUs with AMX.
        seed: Of everything random.
        ema_decay: Of the moving average of the weights, which is what is validated and saved; 0 is off.
        patience: Stop after so many epochs without a better PublicTest accuracy; 0 never stops early.
        logger: ``csv`` always writes log/metrics.csv; ``wandb`` logs to Weights & Biases as well.
        run_dir: Folder of all runs.
        name: Name of this run's folder; the time it starts if empty.
        resume: A .ckpt of an earlier run to continue.
        fast_dev_run: Try one batch of each split, save nothing.
        limit_train_batches: Batches of an epoch, to try things out; empty takes all.
        limit_val_batches: Batches of a validation, to try things out; empty takes all.
    """

    max_epochs: int = 30
    devices: int | str = "auto"
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    seed: int = 0
    ema_decay: float = 0.999
    patience: int = 0
    logger: Literal["csv", "wandb"] = "csv"
    run_dir: str = "runs"
    name: str | None = None
    resume: str | None = None
    fast_dev_run: bool = False
    limit_train_batches: int | None = None
    limit_val_batches: int | None = None


def main(argv: Sequence[str] | None = None) -> None:
    """Train as the command line says; bad input ends with a sentence and a non-zero status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    with sentences():
        parser, groups = build_parser(which_model(argv))
        options = parser.parse_args(argv)
        train(options, groups, parser)


def which_model(argv: Sequence[str]) -> str:
    """Read ``--model`` ahead of all else, from the command line or a ``--config`` file; each has its own options."""
    first = PlainParser(prog="train.py", add_help=False, allow_abbrev=False, description=__doc__)
    first.add_argument("--model", choices=MODELS)
    first.add_argument("--config", type=Path)
    known, _ = first.parse_known_args(argv)
    if known.model is None and known.config is not None:
        known.model = _model_in(known.config)
    if known.model is None:
        first.print_help()
        if {"-h", "--help"} & set(argv):
            sys.exit(0)
        first.error(f"say which model to train, e.g. --model {MODELS[0]}")
    return str(known.model)


def _model_in(config: Path) -> str:
    import yaml

    try:
        model = yaml.safe_load(config.read_text()).get("model")
    except (OSError, yaml.YAMLError, AttributeError) as error:
        raise UserError(f"the config {config} can't be read ({error})") from error
    if model not in MODELS:
        raise UserError(f"the config {config} has model {model!r}: choose one of {', '.join(MODELS)}")
    return str(model)


def build_parser(model: str) -> tuple[Any, dict[str, list[str]]]:
    """Make the parser with the options of one model, and tell which option belongs to which part."""
    from jsonargparse import ArgumentParser

    from fer_data.datamodule import FER2013DataModule
    from fer_models.registry import task_of

    parser = ArgumentParser(prog="train.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("--model", choices=MODELS, required=True, help="what to train")
    parser.add_argument("--config", action="config", help="a YAML file with options; those after it on the line win")
    groups = {
        "run": parser.add_class_arguments(Run),
        "network": parser.add_class_arguments(NETWORKS[model], skip={"num_classes"}),
        "task": parser.add_class_arguments(task_of(model), skip={"model", "network_config"}),
        "data": parser.add_class_arguments(FER2013DataModule, skip={"seed", "preprocess"}),
    }
    return parser, groups


def train(options: Any, groups: dict[str, list[str]], parser: Any) -> None:
    """Build network, data and trainer; fit; say where the checkpoint is."""
    from lightning import seed_everything

    from fer_data.datamodule import FER2013DataModule
    from fer_models.hub import input_of
    from fer_models.registry import task_of

    run = Run(**{field.name: options[field.name] for field in fields(Run)})
    seed_everything(run.seed, workers=True, verbose=False)
    network_config = {key: options[key] for key in groups["network"]}
    network = NETWORKS[options.model](**network_config)
    data = FER2013DataModule(
        **{key: options[key] for key in groups["data"]}, seed=run.seed, preprocess=input_of(network)
    )
    arguments = {key: options[key] for key in groups["task"]}
    task = task_of(options.model)(options.model, network_config, **arguments)
    for note in data.table.notes:
        print(f"note: {note}")
    run_dir = Path(run.run_dir) / options.model / (run.name or datetime.now().strftime("%Y%m%d-%H%M%S"))
    resume = _resume_path(run.resume)
    trainer = build_trainer(run, run_dir, options.model)
    recorded = trainer.is_global_zero and not run.fast_dev_run
    if recorded and run_dir.exists():
        raise UserError(f"the run {run_dir} exists already: choose another --name")
    facts = _facts(data)
    if recorded:
        run_dir.mkdir(parents=True, exist_ok=True)
        (run_dir / "config.yaml").write_text(parser.dump(options))
        _write_facts(run_dir, facts)
    start = time.monotonic()
    trainer.fit(task, data, ckpt_path=resume)
    if recorded:
        _write_facts(run_dir, {**facts, "seconds": round(time.monotonic() - start)})
    if trainer.is_global_zero:
        print(_farewell(run, trainer, options.data))


def build_trainer(run: Run, run_dir: Path, model: str) -> Any:
    """Make the Trainer with its callbacks and loggers; ``log/metrics.csv`` is always written."""
    from lightning import Trainer
    from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, RichProgressBar
    from lightning.pytorch.loggers import CSVLogger, WandbLogger

    from fer_models.callbacks import AtomicCheckpointIO, Curves, EpochLine, ema

    best: dict[str, Any] = {"monitor": "val/accuracy", "mode": "max"}
    callbacks: list[Any] = [Curves(run_dir), EpochLine()]
    if not run.fast_dev_run:
        callbacks.append(
            ModelCheckpoint(
                run_dir / "checkpoints", filename="best", save_last=True, enable_version_counter=False, **best
            )
        )
    if run.patience:
        callbacks.append(EarlyStopping(patience=run.patience, **best))
    if run.ema_decay:
        callbacks.append(ema(run.ema_decay))
    if sys.stdout.isatty():
        callbacks.append(RichProgressBar(leave=False))
    loggers: list[Any] = [CSVLogger(run_dir, name=None, version="log")]
    if run.logger == "wandb" and not run.fast_dev_run:
        loggers.append(WandbLogger(project="fer-lightning", name=f"{model}-{run_dir.name}", save_dir=run_dir))
    return Trainer(
        max_epochs=run.max_epochs,
        devices=run.devices,
        accelerator=run.accelerator,
        precision=run.precision,
        callbacks=callbacks,
        logger=loggers,
        plugins=[AtomicCheckpointIO()],
        use_distributed_sampler=False,  # ours shares the faces itself, the same way at any number of workers
        enable_progress_bar=sys.stdout.isatty(),
        enable_model_summary=sys.stdout.isatty(),
        fast_dev_run=run.fast_dev_run,
        limit_train_batches=run.limit_train_batches,
        limit_val_batches=run.limit_val_batches,
        num_sanity_val_steps=0,
        log_every_n_steps=20,
    )


def _resume_path(resume: str | None) -> str | None:
    if resume is not None and not Path(resume).is_file():
        raise UserError(f"--resume {resume}: there is no such file; give the last.ckpt of a run")
    return resume


def _facts(data: Any) -> dict[str, Any]:
    """Tell what is needed to know where a run comes from, beside its options."""
    from fer_data.fer2013 import fingerprint
    from fer_models.provenance import commit, machine

    return {
        "command": shlex.join(["python", *sys.argv]),
        "seed": data.seed,
        "data_fingerprint": fingerprint(data.table),
        "git_commit": commit(),
        "machine": machine(),
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def _write_facts(run_dir: Path, facts: dict[str, Any]) -> None:
    from fer_models.hub import write_atomically

    write_atomically(run_dir / "run.json", (json.dumps(facts, indent=2) + "\n").encode())


def _farewell(run: Run, trainer: Any, data: str) -> str:
    if run.fast_dev_run:
        return "fast_dev_run: one batch went through; nothing was saved"
    checkpoint = trainer.checkpoint_callback
    score, best = float(checkpoint.best_model_score), os.path.relpath(checkpoint.best_model_path)
    return (
        f"best val/accuracy {score:.4f}; checkpoint: {best}\n"
        f"next: python experiments/evaluate.py --checkpoint {best} --data {data}"
    )


if __name__ == "__main__":
    main()
