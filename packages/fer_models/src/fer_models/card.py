"""Model cards: what a checkpoint is, how good it is, and what it must not be used for."""

from collections.abc import Mapping
from typing import Any

from fer_data.emotions import EMOTIONS
from fer_models.networks import GENERATORS

FRONT = """---
license: apache-2.0
pipeline_tag: {pipeline}
tags: [{subject}, fer2013]
library_name: fer-lightning
---
"""

LIMITS = """## Limits

- FER2013's labels are noisy: ten other people (FER+) see another emotion in many of these faces. A figure well above
  80% would mean that the labels' mistakes were learned.
- The faces were collected from the web in 2013. Age, skin colour and culture are not balanced, and fairness was not
  measured.
- An expression is not a feeling. The model names what a face looks like to those who labelled the data.

Not for: inferring the emotions of people at work or in education (forbidden in the EU by Art. 5(1)(f) of the AI Act),
nor any decision about a person.
"""


def card_of(name: str, config: dict[str, Any]) -> str:
    """Write the card of a classifier or a generator from its ``config.json``."""
    return (generator_card if config["model"] in GENERATORS else classifier_card)(name, config)


def classifier_card(name: str, config: dict[str, Any]) -> str:
    """Write the card of a classifier from its ``config.json``."""
    training, metrics = config["training"], config["metrics"]
    rows = {
        "PublicTest (selects)": metrics["val"],
        "PrivateTest (reported)": metrics["test"],
        "PrivateTest without duplicates": metrics["test"]["test_dedup"],
        "PrivateTest, with mirror images": metrics["test_tta"],
    }
    table = "\n".join(_row(label, part) for label, part in rows.items())
    classes = "\n".join(
        f"| {emotion} | {r['precision']:.3f} | {r['recall']:.3f} | {r['f1']:.3f} | {r['support']} |"
        for emotion, r in metrics["test"]["per_class"].items()
    )
    side = config["preprocess"]["size"]
    front = FRONT.format(pipeline="image-classification", subject="facial-expression-recognition")
    return f"""{front}
# {name}

Classifier of {len(metrics["test"]["per_class"])} facial expressions in gray {side}x{side} faces: the network
`{config["model"]}` with {config["parameters"] / 1e6:.2f} M parameters, trained {_origin(training)}
on FER2013's Training split.

{_use(name, config)}

## Figures

One training run, seed {training.get("seed", "unknown")}. Intervals: 95%, bootstrap over the faces.

| split | n | accuracy | macro-F1 | balanced accuracy | ECE |
|---|---|---|---|---|---|
{table}

`python experiments/evaluate.py --checkpoint {name} --data DATA --split test` gives the second and third row;
`python experiments/verify.py {name} --data DATA` judges the weights anew and compares with all of them.

| PrivateTest | precision | recall | F1 | faces |
|---|---|---|---|---|
{classes}

{_calibration(config.get("calibration"))}{_training(config)}
{_onnx(config)}
{LIMITS}"""


def generator_card(name: str, config: dict[str, Any]) -> str:
    """Write the card of a generator from its ``config.json``."""
    front = FRONT.format(pipeline="unconditional-image-generation", subject="face-generation")
    metrics = config["metrics"]["test"]
    rows = "\n".join(_set_row(label, part) for label, part in metrics["sets"].items())
    obedience = metrics["obedience"]
    read = (
        f"Asked for an emotion, the classifier `{metrics['classifier']}`, which had no part in the training, reads it "
        f"in {obedience['accuracy']:.1%} of {obedience['n']} faces (macro-F1 {obedience['f1_macro']:.3f}); in real "
        f"faces it reads the label in {metrics['obedience_real']['accuracy']:.1%}."
        if obedience
        else "The emotion can't be chosen."
    )
    return f"""{front}
# {name}

Generator of gray 48x48 faces: the network `{config["model"]}` with {config["parameters"] / 1e6:.2f} M parameters,
trained from scratch on FER2013's Training split. Nobody in its faces is real.

```python
from fer_models.generate import load_generator

faces = load_generator("{name}").sample([3] * 16, seed=0)  # 3 is happy; uint8 (16, 48, 48)
```

## Figures

One training run, seed {config["training"].get("seed", "unknown")}. FD-FER is the Fréchet distance to PrivateTest in
the features of `fd_encoder`; it is no FID, and can be compared within this project alone. The other rows put real faces
in the place of generated ones.

| faces | n | FD-FER | 1000 KD-FER | precision | recall | density | coverage |
|---|---|---|---|---|---|---|---|
{rows}

{read}

`python experiments/evaluate.py --checkpoint {name} --data DATA` gives these figures and a report.

{_training(config)}
{_onnx(config)}
## Limits

- Faces are 48 pixels wide and gray, as FER2013's are, and look like a network's. They are no evidence of anything.
- What FER2013's labels call an emotion is what was learned, with their mistakes.
- Age, skin colour and culture are as unbalanced as in the data.

Not for: making somebody seem to feel or say something, nor for passing generated faces off as real.
"""


def _set_row(label: str, part: dict[str, Any]) -> str:
    cells = [f"{part['fd_fer']:.3f}", f"{1000 * part['kd_fer']:.3f}"]
    cells += [f"{part[key]:.3f}" for key in ("precision", "recall", "density", "coverage")]
    return f"| {' | '.join([label, str(part['n']), *cells])} |"


def _calibration(calibration: dict[str, Any] | None) -> str:
    """Tell temperature and threshold, and what they do, where they were fitted."""
    if calibration is None:
        return ""
    target, threshold = f"{calibration['target_accuracy']:.0%}", calibration["uncertain_below"]
    choice = (
        f"No threshold on the top probability makes {target} of the answers right, so it can't answer 'uncertain'."
        if threshold is None
        else f"Asked to (`--uncertain`), it answers 'uncertain' where the top probability is below {threshold:.3f},\n"
        f"the lowest threshold at which {target} of the answers on PublicTest are right."
    )
    rows = "\n".join(_calibration_row(label, calibration[key]) for label, key in _CALIBRATED.items())
    return f"""## Calibration

As served, logits are divided by the temperature {calibration["temperature"]:.3f}, which was fitted on PublicTest and
changes no answer. The figures above are without it, and it is not for mirror images or ensembles.
{choice}

| split | NLL without, with temperature | ECE without, with | AURC | answered | right of them |
|---|---|---|---|---|---|
{rows}

"""


_CALIBRATED = {"PublicTest (fitted)": "val", "PrivateTest (reported)": "test"}


def _calibration_row(label: str, part: dict[str, Any]) -> str:
    answered = part["answered"] or {}
    cells = [f"{part['nll_before']:.4f}, {part['nll']:.4f}", f"{part['ece_before']:.4f}, {part['ece']:.4f}"]
    cells += [f"{part['aurc']:.4f}", share_text(answered, "coverage"), share_text(answered, "accuracy")]
    return f"| {' | '.join([label, *cells])} |"


def share_text(part: dict[str, Any], key: str) -> str:
    """Write a share and its interval, ``key`` and ``key_ci`` of ``part``, as ``90.1% (88.6 to 91.5)``."""
    if part.get(key) is None:
        return "none"
    low, high = part[f"{key}_ci"]
    return f"{part[key]:.1%} ({100 * low:.1f} to {100 * high:.1f})"


def _training(config: dict[str, Any]) -> str:
    training = config["training"]
    return f"""## Training

`{training.get("command", "unknown")}`
{_builds_on(training)}
Code {training.get("git_commit", "unknown")}; data fingerprint {config["data_fingerprint"][:16]}; machine:
{training.get("machine", "unknown")}; time: {_minutes(training.get("seconds"))}."""


def _origin(training: Mapping[str, Any]) -> str:
    begin = "from torchvision's ImageNet weights" if training.get("pretrained") else ""
    if training.get("start"):
        begin = f"from the weights of `{training['start']['name']}`"
    if training.get("teachers"):
        return f"by distillation, {begin}," if begin else "by distillation"
    return begin or "from scratch"


def _builds_on(training: Mapping[str, Any]) -> str:
    """Tell of the trained weights that went into a network, and what they had that it must be compared with."""
    start, teachers = training.get("start"), training.get("teachers")
    text = f"\nBegan with {_weights(start)}, whose own training is not in the time below.\n" if start else ""
    if teachers:
        lines = "".join(f"- {_weights(teacher)}\n" for teacher in teachers)
        text += f"\nDistilled from these, whose own training is not in the time below:\n\n{lines}"
    return text


def _weights(origin: Mapping[str, Any]) -> str:
    had = [", from torchvision's ImageNet weights"] if origin["pretrained"] else []
    had += [", with FER+'s votes"] if origin["ferplus_weight"] else []
    return f"`{origin['name']}`, a `{origin['model']}`{''.join(had)}; weights {origin['sha256'][:16]}"


def _onnx(config: dict[str, Any]) -> str:
    """Tell of the ONNX files, where there are some."""
    if "onnx" not in config:
        return ""
    told = config["onnx"]
    error = f"{told['max_error']:.1g}"
    text = f"`model.onnx` is the same network for onnxruntime: its answers differ by at most {error} from torch's."
    if told["int8"]:
        text += f"\nIn 8 bits, as `model.int8.onnx`, it was {told['int8']['verdict']}."
    return f"\n## ONNX\n\n{text}\n"


def _use(name: str, config: dict[str, Any]) -> str:
    """Show how to use it, and say which track it belongs to where that is not FER2013's own."""
    if config.get("role") == "encoder":
        return (
            "Its embeddings are what FD-FER, the Fréchet distance of generated faces, is measured with. It is frozen: "
            "its\nhash stands in `fer_models/judging/encoder.py`. To recognise emotions, take another classifier."
        )
    if len(config["metrics"]["test"]["per_class"]) > len(EMOTIONS):
        return (
            "Its labels are FER+'s majorities, on faces that have one: compare its figures with others on FER+ only.\n"
            "It is for `experiments/evaluate.py` with `--data ferplus:DATA`; `fer-models predict` wants seven emotions."
        )
    votes = "Trained with FER+'s votes beside the labels: compare it with models that had them too.\n\n"
    training = config["training"]
    parts = (training, training.get("start", {}), *training.get("teachers", []))
    had_votes = any(part.get("ferplus_weight") for part in parts)
    return f"""{votes if had_votes else ""}```python
from fer_models.predict import load

for face in load("{name}")("photo.jpg"):
    print(face.emotion, face.probabilities)
```"""


def _row(label: str, part: dict[str, Any]) -> str:
    def cell(key: str) -> str:
        low, high = part[f"{key}_ci"]
        return f"{part[key]:.4f} ({low:.4f} to {high:.4f})"

    cells = [label, str(part["n"]), cell("accuracy"), cell("f1_macro"), cell("balanced_accuracy"), f"{part['ece']:.4f}"]
    return f"| {' | '.join(cells)} |"


def _minutes(seconds: float | None) -> str:
    return "unknown" if seconds is None else f"{seconds / 60:.0f} minutes"
