"""Classification accuracy score: how well a classifier does that has learnt from generated faces alone."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fer_data.table import USAGES, FaceTable
from fer_models.hub import Checkpoint
from fer_models.judging.evaluation import SPLITS, Split, predict_faces
from fer_models.metrics.classification import judge

Sample = Callable[[NDArray[np.int64], int], NDArray[np.uint8]]
"""A generator: labels int64 (N,) and a seed -> faces uint8 (N, 48, 48)."""

NETWORK: dict[str, Any] = {"widths": [16, 32, 64, 128]}
"""Of the small classifier; with the recipe in ``train_small`` it is a part of the score's definition."""


def classification_accuracy_score(
    sample: Sample,
    table: FaceTable,
    split: Split,
    faces: int | None = None,
    epochs: int = 6,
    seed: int = 0,
    device: str = "cpu",
) -> dict[str, Any]:
    """Train on generated faces and test on real ones (Ravuri & Vinyals 2019, https://arxiv.org/abs/1905.10887).

    The same small classifier is also trained on as many real Training faces with the same labels. That one read
    generated faces, too, as in "How good is my GAN?" (Shmelkov et al. 2018, https://arxiv.org/abs/1807.09499).

    Args:
        sample: The generator.
        table: Real faces.
        split: Real faces that both are tested on.
        faces: How many faces to train on, with labels of as many Training faces; None takes all.
        epochs: Of both trainings.
        seed: Of the choice of labels, the generator's latents, and both trainings.
        device: E.g. ``cpu`` or ``cuda``.

    Returns:
        ``n``, ``epochs``, three times n, accuracy and macro-F1 with 95% intervals: ``generated_to_real`` (GAN-train),
        ``real_to_real``, ``real_to_generated`` (GAN-test); and ``ratio``, the first accuracy over the second.
    """
    training = np.flatnonzero(table.usage == USAGES.index("Training"))
    chosen = np.sort(np.random.default_rng(seed).permutation(training)[:faces])
    held_out = np.flatnonzero(table.usage == USAGES.index(SPLITS[split]))
    made = sample(table.labels[chosen].astype(np.int64), seed + 1)
    asked = table.labels[held_out]
    tests = {"real": table.images[held_out], "generated": sample(asked.astype(np.int64), seed)}
    on_made = train_small(_lesson(table, chosen, held_out, made), epochs, seed, device)
    on_real = train_small(_lesson(table, chosen, held_out, table.images[chosen]), epochs, seed, device)

    def score(classifier: Checkpoint, test: str) -> dict[str, Any]:
        found = judge(predict_faces(classifier, tests[test], device=device), torch.from_numpy(asked).long())
        return {key: found[key] for key in ("n", "accuracy", "accuracy_ci", "f1_macro", "f1_macro_ci")}

    scores = {
        "generated_to_real": score(on_made, "real"),
        "real_to_real": score(on_real, "real"),
        "real_to_generated": score(on_real, "generated"),
    }
    ratio = scores["generated_to_real"]["accuracy"] / scores["real_to_real"]["accuracy"]
    return {"n": len(chosen), "epochs": epochs, **scores, "ratio": ratio}


def _lesson(
    table: FaceTable, chosen: NDArray[np.intp], held_out: NDArray[np.intp], faces: NDArray[np.uint8]
) -> FaceTable:
    """Make a table with other faces for the chosen ones, and nothing to test on but what the data module asks for."""
    return FaceTable(
        images=np.concatenate([faces, table.images[held_out]]),
        labels=np.concatenate([table.labels[chosen], table.labels[held_out]]),
        usage=np.repeat(np.arange(2, dtype=np.uint8), [len(chosen), len(held_out)]),
    )


def train_small(table: FaceTable, epochs: int, seed: int, device: str) -> Checkpoint:
    """Train the small classifier by its fixed recipe; the last weights count, so nothing is chosen by any score."""
    from lightning import Trainer

    from fer_data.datamodule import FER2013DataModule
    from fer_models.tasks.classification import ClassificationTask
    from fer_models.training.callbacks import RandomnessOfEpoch
    from fer_models.training.quiet import quiet_lightning

    quiet_lightning()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        task = ClassificationTask("cnn", NETWORK, warmup_epochs=1)
        trainer = Trainer(
            max_epochs=epochs,
            accelerator="cpu" if device == "cpu" else "gpu",
            devices=[int(device.partition(":")[2] or 0)] if device != "cpu" else 1,
            precision="bf16-mixed",
            callbacks=[RandomnessOfEpoch(seed)],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            limit_val_batches=0,
            use_distributed_sampler=False,
        )
        trainer.fit(task, FER2013DataModule(augment="flip", seed=seed, preprocess=task.preprocess, table=table))
    return Checkpoint("cas", task.network.eval().cpu(), task.preprocess, {})
