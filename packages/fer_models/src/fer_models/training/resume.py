"""Find a checkpoint from which a run can go on."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_data.errors import UserError
from fer_models.hub import Checkpoint, CheckpointError, load_run
from fer_models.registry import complete


def checkpoint_to_resume(
    wish: str | None, run_dir: Path, settings: Mapping[str, Any], facts: Mapping[str, Any]
) -> Path | None:
    """Resolve ``--resume``.

    Args:
        wish: None for a fresh run, ``auto`` for the newest good checkpoint of the run (a fresh start where there is
            none yet), or the path of a ``.ckpt``.
        run_dir: Folder of the run.
        settings: The task's hyperparameters now; going on with others would make the record of the run untrue.
        facts: What ``run.json`` would tell now: ``data_fingerprint`` and the task's ``origins``.

    Raises:
        UserError: The path is no usable checkpoint; or there are checkpoints, but none is usable; or it was trained
            with other settings or data.
    """
    if wish is None:
        return None
    if wish != "auto":
        _check_settings(Path(wish), load_run(Path(wish)), settings, facts)
        return Path(wish)
    candidates = sorted((run_dir / "checkpoints").glob("*.ckpt"), key=lambda path: -path.stat().st_mtime)
    for path in candidates:
        try:
            checkpoint = load_run(path)
        except CheckpointError as error:
            print(f"skipped: {error}")
        else:
            _check_settings(path, checkpoint, settings, facts)
            print(f"resuming from {path}")
            return path
    if candidates:
        raise UserError(f"--resume auto: all checkpoints in {run_dir} are damaged; start anew with another --name")
    return None


def _check_settings(path: Path, checkpoint: Checkpoint, settings: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    record = path.resolve().parents[1] / "run.json"
    if record.is_file():
        told = json.loads(record.read_text())
        if told.get("data_fingerprint") != facts["data_fingerprint"]:
            raise UserError(f"{path} was trained on other data, as {record} tells: give the same --data again")
        if told.get("teachers") != facts.get("teachers"):
            raise UserError(f"{path} was trained by other teachers, as {record} tells: give the same --teacher again")
        if told.get("start") != facts.get("start"):
            raise UserError(f"{path} began with other weights, as {record} tells: give the same --start_from again")
    trained, wanted = (_builtins(complete(each)) for each in (checkpoint.config["training"], settings))
    for key in sorted({*trained, *wanted}):
        if trained.get(key) != wanted.get(key):
            raise UserError(
                f"{path} was trained with {key} {trained.get(key)}, not {wanted.get(key)}: leave --resume out for a "
                "run of its own, or give the same option again"
            )


def _builtins(settings: dict[str, Any]) -> dict[str, Any]:
    """Give what JSON makes of them: lists for tuples."""
    return dict(json.loads(json.dumps(settings)))


def newest_run(runs: Path) -> Path | None:
    """Give the run that started last among the folders of one model; None where there is none."""
    return max((path for path in runs.glob("*") if path.is_dir()), key=lambda path: path.stat().st_ctime, default=None)
