"""What a classifier learns from, beside the label."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from fer_data.errors import UserError
from fer_models import hub
from fer_models.networks import NETWORKS
from fer_models.tasks.classification import ClassificationTask
from fer_models.training.losses import soft_cross_entropy, soft_targets

LABELS = torch.arange(9) % 7


@pytest.fixture
def faces() -> torch.Tensor:
    return torch.randn(9, 1, 48, 48, generator=torch.Generator().manual_seed(0))


def make(monkeypatch: pytest.MonkeyPatch, **options: Any) -> ClassificationTask:
    """Make a task that can take a step by itself: no trainer that logs, no dropout that differs."""
    torch.manual_seed(0)
    task = ClassificationTask("cnn", {"widths": [4, 8, 8, 8]}, **options).eval()
    monkeypatch.setattr(task, "log_dict", lambda *args, **kwargs: None)
    return task


def test_soft_labels_take_their_share_of_the_target(faces: torch.Tensor, monkeypatch: pytest.MonkeyPatch):
    soft = torch.randn(9, 7, generator=torch.Generator().manual_seed(1)).softmax(1)
    task = make(monkeypatch, label_smoothing=0.1, soft_label_weight=0.3)
    loss = task.training_step({"image": faces, "label": LABELS, "soft_label": soft}, 0)
    expected = soft_cross_entropy(task(faces), 0.7 * soft_targets(LABELS, 7, 0.1) + 0.3 * soft)
    assert torch.allclose(loss, expected)
    without = task.training_step({"image": faces, "label": LABELS}, 0)
    assert torch.allclose(without, soft_cross_entropy(task(faces), soft_targets(LABELS, 7, 0.1)))
    assert not torch.allclose(loss, without)


@pytest.mark.parametrize("weight", [0.3, 1.0])
def test_teachers_answer_to_the_very_pictures_that_the_student_sees(
    faces: torch.Tensor, folder: Path, monkeypatch: pytest.MonkeyPatch, weight: float
):
    """Of mixed faces too; one of them, drawn by lot, answers to all of a batch, and they learn nothing."""
    cnn = str(Path(__file__).parents[2] / "checkpoints" / "cnn")
    task = make(monkeypatch, teacher=[str(folder), cnn], teacher_weight=weight, mixup=1.0)
    seen: list[torch.Tensor] = []
    task.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    monkeypatch.setattr(task, "_targets", lambda batch: torch.full((9, 7), 1 / 7))
    teachers = [hub.load(name).network for name in (str(folder), cnn)]
    answered = []
    for _ in range(20):
        loss = task.training_step({"image": faces, "label": LABELS}, 0)
        mixed = seen[-1]
        assert not torch.allclose(mixed, faces)
        answers = [weight * teacher(mixed).softmax(1) + (1 - weight) / 7 for teacher in teachers]
        losses = [soft_cross_entropy(task(mixed), answer) for answer in answers]
        answered.append([bool(torch.isclose(loss, expected, rtol=0, atol=1e-5)) for expected in losses])
    assert {tuple(which) for which in answered} == {(False, True), (True, False)}
    before = [{k: v.clone() for k, v in teacher.state_dict().items()} for teacher in task.teachers.networks]
    torch.optim.SGD(task.train().parameters(), 1.0).zero_grad()
    task.training_step({"image": faces, "label": LABELS}, 0).backward()
    for teacher, weights in zip(task.teachers.networks, before, strict=True):
        assert all(torch.equal(value, weights[key]) for key, value in teacher.state_dict().items())
        assert all(parameter.grad is None for parameter in teacher.parameters())
    assert not [key for key in task.state_dict() if "teacher" in key]
    assert [fact["name"] for fact in task.teachers.facts] == [str(folder), cnn]
    assert len({fact["sha256"] for fact in task.teachers.facts}) == 2


@pytest.mark.parametrize(
    ("name", "words"), [("cgan", "no classifier"), ("eight", "8"), ("large", "size=64"), ("nobody", "nobody")]
)
def test_a_teacher_that_does_not_fit_is_a_sentence(
    name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for other, model, config in (
        ("eight", "cnn", {"widths": [4, 8, 8, 8], "num_classes": 8}),
        ("large", "resnet", {"width": 8, "input_size": 64}),
    ):
        network = NETWORKS[model](**config)
        about = {"model": model, "network_config": config, "preprocess": hub.input_of(network).to_dict()}
        hub.save_checkpoint(tmp_path / other, network, about, "# card")
    there = Path(__file__).parents[2] / "checkpoints" / name
    with pytest.raises(UserError, match=words):
        make(monkeypatch, teacher=[str(there if there.is_dir() else tmp_path / name)])


def test_votes_are_learnt_beside_the_label_through_one_embedding(faces: torch.Tensor, monkeypatch: pytest.MonkeyPatch):
    votes = torch.randn(9, 8, generator=torch.Generator().manual_seed(1)).softmax(1)
    votes[4:] = 0  # nobody's votes say anything of these faces
    task = make(monkeypatch, ferplus_weight=0.3)
    seen: list[torch.Tensor] = []
    task.network.stem.register_forward_hook(lambda *call: seen.append(call[-1]))
    loss = task.training_step({"image": faces, "label": LABELS, "votes": votes}, 0)
    assert len(seen) == 1
    extra = F.kl_div(task.votes_head(task.network.embed(faces)).log_softmax(1)[:4], votes[:4], reduction="batchmean")
    extra = extra - (votes[:4] * votes[:4].log()).sum(1).mean()
    plain = soft_cross_entropy(task(faces), soft_targets(LABELS, 7, 0.1))
    assert torch.allclose(loss, plain + 0.3 * extra, atol=1e-6)
    nothing = task.training_step({"image": faces, "label": LABELS, "votes": torch.zeros(9, 8)}, 0)
    assert torch.allclose(nothing, plain)


@pytest.mark.parametrize("way", ["mixup", "cutmix"])
def test_votes_are_blended_with_the_labels(way: str, monkeypatch: pytest.MonkeyPatch):
    """Faces whose votes are as their labels: a blend that parted the two would tell."""
    task = make(monkeypatch, ferplus_weight=0.3, label_smoothing=0.0, **{way: 1.0})
    batch = {"image": torch.zeros(7, 1, 48, 48), "label": torch.arange(7), "votes": torch.eye(8)[:7]}
    _, blended = task._blend(batch["image"], task._targets(batch))
    assert torch.equal(blended[:, :7], blended[:, 7:14]) and (blended[:, :7].max(1).values < 1).any()
