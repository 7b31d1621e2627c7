"""Train a model: ``python experiments/train.py --model cnn --data auto``.

Each model has its own options: ``python experiments/train.py --model cnn --help``.
"""

import os
import shlex
import sys
from argparse import ArgumentParser as PlainParser
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NoReturn

from fer_data.emotions import FERPLUS_EMOTIONS
from fer_data.errors import UserError, check_range, sentences
from fer_models.networks import CLASSIFIERS, NETWORKS

MODELS = tuple(NETWORKS)


@dataclass
class Run:
    """How long it goes on, on what devices, and where its files go.

    Args:
        max_epochs: Number of passes over Training.
        devices: Number of devices (CPU processes or GPUs) on each machine, or ``auto``.
        num_nodes: Number of machines; see docs/devices.md.
        accelerator: What trains; ``auto`` takes a GPU where there is one.
        strategy: How several devices work together; ``auto`` is DistributedDataParallel.
        precision: Of the numbers; mixed is faster on GPUs and on CPUs with AMX.
        seed: Of everything random.
        ema_decay: Of the moving average of the weights, which is what is validated and saved; 0 is off.
        patience: Stop after so many epochs without a better validation (PublicTest); 0 never stops early.
        logger: ``csv`` always writes log/; ``wandb`` or ``tensorboard`` as well; see docs/trackers.md.
        run_dir: Folder of all runs.
        name: Name of this run's folder; the time it starts if empty.
        resume: ``auto`` goes on from the newest good checkpoint of the run with this name (of the model's last run,
            if no name is given); or a .ckpt of an earlier run.
        fast_dev_run: Try one batch of each split, save nothing.
        limit_train_batches: Batches of an epoch, to try things out; empty takes all.
        limit_val_batches: Batches of a validation, to try things out; empty takes all.
    """

    max_epochs: int = 30
    devices: int | str = "auto"
    num_nodes: int = 1
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    strategy: str = "auto"
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    seed: int = 0
    ema_decay: float = 0.999
    patience: int = 0
    logger: Literal["csv", "wandb", "tensorboard"] = "csv"
    run_dir: str = "runs"
    name: str | None = None
    resume: str | None = None
    fast_dev_run: bool = False
    limit_train_batches: int | None = None
    limit_val_batches: int | None = None

    def __post_init__(self) -> None:
        check_range("--max_epochs", self.max_epochs, 1)
        check_range("--num_nodes", self.num_nodes, 1)
        check_range("--ema_decay", self.ema_decay, 0, 0.999999)
        check_range("--patience", self.patience, 0)
        for option in ("limit_train_batches", "limit_val_batches"):
            wanted = getattr(self, option)
            check_range(f"--{option}", 1 if wanted is None else wanted, 1)
        if self.name is not None and Path(self.name).name != self.name:
            raise UserError(f"--name {self.name!r} must be a plain name, without folders")
        if self.devices != "auto":
            self._check_devices()
        if self.precision == "16-mixed" and not self._on_gpu():
            raise UserError("--precision 16-mixed needs a GPU: on a processor Lightning would take bf16-mixed instead")

    def _on_gpu(self) -> bool:
        import torch

        return self.accelerator == "gpu" or (self.accelerator == "auto" and torch.cuda.is_available())

    def _check_devices(self) -> None:
        import torch

        there, kind = (torch.cuda.device_count(), "GPUs") if self._on_gpu() else (os.cpu_count() or 1, "cores")
        if not (str(self.devices).isdecimal() and 1 <= int(self.devices) <= there):
            raise UserError(f"--devices {self.devices}: give auto, or a number up to {there}, the {kind} here")


def main(argv: Sequence[str] | None = None) -> None:
    """Train as the command line says; bad input ends with a sentence and a non-zero status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    with sentences():
        parser, groups = build_parser(which_model(argv))
        options = parser.parse_args(complete_flags(argv, parser))
        train(options, groups, parser)


def complete_flags(argv: Sequence[str], parser: Any) -> list[str]:
    """Let a yes-or-no option stand alone: ``--fast_dev_run`` for ``--fast_dev_run=true``."""
    flags = {name for action in parser._actions for name in action.option_strings if action.default in (True, False)}
    nexts = [*argv[1:], "--"]
    alone = [word in flags and following.startswith("--") for word, following in zip(argv, nexts, strict=True)]
    return [f"{word}=true" if bare else word for word, bare in zip(argv, alone, strict=True)]


def which_model(argv: Sequence[str]) -> str:
    """Read ``--model`` ahead of all else, from the command line or a ``--config`` file; each has its own options."""
    from train_help import USAGE, guide

    first = PlainParser(prog="train.py", usage=USAGE, add_help=False, allow_abbrev=False)
    first.add_argument("--model", choices=MODELS)
    first.add_argument("--config", type=Path)
    known, _ = first.parse_known_args(argv)
    if known.model is None and known.config is not None:
        known.model = _model_in(known.config)
    if known.model is None:
        print(f"usage: {USAGE}\n\n{guide()}")
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
    from train_help import HelpFormatter, arrange

    class Parser(ArgumentParser):
        """Answers a misspelt option with the nearest one."""

        def error(self, message: str, ex: Exception | None = None) -> NoReturn:
            known = [name for action in self._actions for name in action.option_strings]
            wrong = [word.split("=")[0] for word in message.split() if word.startswith("--")]
            near = [match for word in wrong if word not in known for match in get_close_matches(word, known, n=1)]
            super().error(f"{message}; did you mean {', '.join(near)}?" if near else message, ex)
            raise SystemExit(2)  # not reached: jsonargparse has ended the program

    parser = Parser(prog="train.py", formatter_class=HelpFormatter, allow_abbrev=False)
    parser.add_argument("--model", choices=MODELS, required=True, help="what to train")
    parser.add_argument("--config", action="config", help="a YAML file with options; those after it on the line win")
    groups = {
        "run": parser.add_class_arguments(Run),
        "network": parser.add_class_arguments(NETWORKS[model], skip={"num_classes"}),
        "task": parser.add_class_arguments(task_of(model), skip={"model", "network_config"}),
        "data": parser.add_class_arguments(FER2013DataModule, skip={"seed", "preprocess", "votes", "table"}),
    }
    parser.set_defaults(**NETWORKS[model].training_defaults)
    arrange(parser, model)
    return parser, groups


def train(options: Any, groups: dict[str, list[str]], parser: Any, table: Any = None) -> None:
    """Build network, data and trainer; fit; say where the checkpoint is. A ``FaceTable`` takes the place of --data."""
    from lightning import seed_everything
    from lightning.pytorch.utilities import rank_zero_only

    from fer_data.datamodule import FER2013DataModule
    from fer_models.registry import task_of
    from fer_models.training.callbacks import RunRecord
    from fer_models.training.quiet import quiet_lightning
    from fer_models.training.resume import checkpoint_to_resume

    quiet_lightning()
    run = Run(**{field.name: options[field.name] for field in fields(Run)})
    seed_everything(run.seed, workers=True, verbose=False)
    network_config = _network_config(options, groups["network"])
    task = task_of(options.model)(options.model, network_config, **{key: options[key] for key in groups["task"]})
    arguments = {key: options[key] for key in groups["data"]}
    votes = bool(task.hparams.get("ferplus_weight"))
    data = FER2013DataModule(**arguments, seed=run.seed, preprocess=task.preprocess, votes=votes, table=table)
    data.prepare_data()
    run_dir = run_folder(run, options.model)
    if getattr(rank_zero_only, "rank", 0) == 0 and run_dir.exists() and run.resume is None and not run.fast_dev_run:
        raise UserError(f"the run {run_dir} exists already: choose another --name, or continue it with --resume auto")
    facts = {**_facts(data), **task.origins}
    checkpoint = checkpoint_to_resume(run.resume, run_dir, task.hparams, facts)
    callbacks = companions(run, run_dir, task)
    if not run.fast_dev_run:
        # Before the average, which has its weights in place while these hear of a validation's end.
        callbacks = [RunRecord(run_dir, parser.dump(options), facts), *savers(run_dir, task), *callbacks]
    trainer = build_trainer(run, run_dir, task, callbacks)
    if trainer.is_global_zero:
        print(overview(run, trainer, task, data))
    fit(trainer, task, data, checkpoint)
    if trainer.is_global_zero:
        print(_farewell(run, trainer, task.monitor[0], options.data))


def _network_config(options: Any, keys: Sequence[str]) -> dict[str, Any]:
    """Give the network's arguments; how many emotions it names follows from the data."""
    config = {key: options[key] for key in keys}
    if options.data.partition(":")[0] != "ferplus":
        return config
    if options.model not in CLASSIFIERS:
        raise UserError(f"--data {options.data}: FER+'s labels are for classifiers, which {options.model} is not")
    return {**config, "num_classes": len(FERPLUS_EMOTIONS)}


def fit(trainer: Any, task: Any, data: Any, checkpoint: Path | None) -> None:
    """Fit; a stop by Ctrl-C or SIGTERM ends with 130 or 143 and a word on how to go on."""
    from lightning.fabric.utilities.exceptions import MisconfigurationException
    from lightning.pytorch.utilities.exceptions import SIGTERMException

    try:
        trainer.fit(task, data, ckpt_path=checkpoint)
    except MisconfigurationException as error:  # e.g. fewer epochs than were done already
        raise UserError(f"Lightning refuses these options: {error}") from error
    except SIGTERMException:  # Lightning would exit with 0, as if the run had finished
        print("stopped by SIGTERM; go on with --resume auto", file=sys.stderr)
        sys.exit(143)
    except SystemExit:
        print("stopped by Ctrl-C; go on with --resume auto", file=sys.stderr)
        sys.exit(130)


def run_folder(run: Run, model: str) -> Path:
    """Name the run's folder: an old one with ``--resume auto``, else as ``--name`` says, else by the time."""
    from fer_models.training.resume import newest_run

    runs = Path(run.run_dir) / model
    if run.name:
        return runs / run.name
    old = newest_run(runs) if run.resume == "auto" else None
    return old or runs / datetime.now().strftime("%Y%m%d-%H%M%S-%f")  # microseconds: a sweep starts many at once


def overview(run: Run, trainer: Any, task: Any, data: Any) -> str:
    """Say what is about to be trained, on what, and how large a step is."""
    from fer_models.provenance import machine

    parameters = sum(p.numel() for p in task.network.parameters()) / 1e6
    batch = data.batch_size * trainer.world_size
    lines = [
        f"{task.model}: {parameters:.2f} M parameters, {run.max_epochs} epochs, {run.precision}, on {machine()}",
        f"{data.batch_size} faces x {trainer.world_size} devices = {batch} a step, at the learning rate given; the "
        "rule for k times as many faces a step is k times the rate (Goyal et al. 2017)",
        *(f"note: {note}" for note in data.table.notes),
    ]
    return "\n".join(lines)


def build_trainer(run: Run, run_dir: Path, task: Any, callbacks: list[Any]) -> Any:
    """Make the Trainer with its loggers; ``log/`` is always written."""
    from lightning import Trainer
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    from fer_models.training.callbacks import AtomicCheckpointIO
    from fer_models.training.trackers import loggers

    try:
        slurm = _slurm()
        trainer = Trainer(
            default_root_dir=run_dir,  # see _slurm
            max_epochs=run.max_epochs,
            devices=run.devices,
            num_nodes=run.num_nodes,
            accelerator=run.accelerator,
            strategy=_strategy(run, task),
            precision=run.precision,
            callbacks=callbacks,
            logger=loggers("csv" if run.fast_dev_run else run.logger, run_dir, task.model),
            plugins=[AtomicCheckpointIO(), *([slurm] if slurm else [])],
            use_distributed_sampler=False,  # ours shares the faces itself, the same way at any number of workers
            enable_progress_bar=sys.stdout.isatty(),
            enable_model_summary=False,
            fast_dev_run=run.fast_dev_run,
            limit_train_batches=run.limit_train_batches,
            limit_val_batches=run.limit_val_batches,
            num_sanity_val_steps=0,
            log_every_n_steps=20,
        )
        if slurm and trainer.strategy.launcher:
            slurm.validate_settings(trainer.num_devices, trainer.num_nodes)
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        raise UserError(f"Lightning refuses these options: {error}") from error
    if slurm and not trainer.strategy.launcher:
        _check_lone_task(run)
    return trainer


def _strategy(run: Run, task: Any) -> str:
    several = run.num_nodes > 1 or str(run.devices) not in ("1", "auto")
    if run.strategy != "auto" or not several:
        return run.strategy
    return "ddp_find_unused_parameters_true" if task.some_weights_unused else "ddp"


def _slurm() -> Any:
    """Give what reads the variables of srun; None where another started this process."""
    from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
    from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

    if TorchElasticEnvironment.detect() or not SLURMEnvironment.detect():
        return None
    # Lightning would leave a checkpoint of its own when the job's time is up, and let any later run under Slurm that
    # finds one in default_root_dir (by default the working folder) go on from it, unasked.
    return SLURMEnvironment(auto_requeue=False)


def _check_lone_task(run: Run) -> None:
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", 1))
    if tasks > 1:
        raise UserError(
            f"srun started {tasks} tasks, but --devices {run.devices} is one device, so that each would train this run "
            "by itself: give --devices and --num_nodes as the job has them"
        )


def savers(run_dir: Path, task: Any) -> list[Any]:
    """Make the callbacks that write checkpoints, and a generator's pictures."""
    from lightning.pytorch.callbacks import ModelCheckpoint

    from fer_models.tasks.generation import GenerationTask
    from fer_models.training.callbacks import FirstCheckpoint, SampleGrid

    checkpoints = run_dir / "checkpoints"
    metric, mode = task.monitor
    # Saved when an epoch has ended, and so as it would be at the start of the next one.
    keep: dict[str, Any] = {"save_on_train_epoch_end": True, "enable_version_counter": False}
    pictures = [SampleGrid(run_dir / "samples")] if isinstance(task, GenerationTask) else []
    return [
        *pictures,
        FirstCheckpoint(checkpoints),
        ModelCheckpoint(checkpoints, filename="best", monitor=metric, mode=mode, **keep),
        ModelCheckpoint(checkpoints, filename="last", **keep),
    ]


def companions(run: Run, run_dir: Path, task: Any) -> list[Any]:
    """Make the callbacks that go with every run: its randomness, curves, average, ways to stop."""
    from lightning.pytorch.callbacks import RichProgressBar

    from fer_models.training.callbacks import (
        EMA,
        Curves,
        EpochLine,
        Patience,
        RandomnessOfEpoch,
        StopAtInterrupt,
        StopAtNonFinite,
    )
    from fer_models.training.trackers import BestInTracker

    callbacks: list[Any] = [
        RandomnessOfEpoch(run.seed),
        StopAtInterrupt(),
        StopAtNonFinite(),
        Curves(run_dir),
        EpochLine(),
    ]
    if run.patience:
        metric, mode = task.monitor
        callbacks.append(Patience(metric, mode=mode, patience=run.patience))
    if run.ema_decay:
        callbacks.append(EMA(run.ema_decay))
    if sys.stdout.isatty():
        callbacks.append(RichProgressBar(leave=False))
    callbacks.append(BestInTracker())
    return callbacks


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


def _farewell(run: Run, trainer: Any, metric: str, data: str) -> str:
    if run.fast_dev_run:
        return "fast_dev_run: one batch went through; nothing was saved"
    checkpoint, stopper = trainer.checkpoint_callback, trainer.early_stopping_callback
    stopped = stopper is not None and stopper.wait_count >= stopper.patience
    done = f"patience {run.patience} ran out; to go on, give more" if stopped else f"{run.max_epochs} epochs are done"
    if checkpoint.best_model_score is None:
        return f"nothing was left to train: {done}"
    score, best = float(checkpoint.best_model_score), os.path.relpath(checkpoint.best_model_path)
    return (
        f"{done}; best {metric} {score:.4f}; checkpoint: {best}\n"
        f"next: python experiments/evaluate.py --checkpoint {best} --data {data}"
    )


if __name__ == "__main__":
    main()
