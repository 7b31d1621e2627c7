"""Generators: networks, tasks in real fits, and what is made of their faces."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning import Trainer
from torch import nn

import train
from fer_data.datamodule import FER2013DataModule
from fer_data.errors import UserError
from fer_models import hub
from fer_models.generate import FaceGenerator, slerp, to_pixels
from fer_models.networks import GENERATORS
from fer_models.networks.base import Adversarial, Inverter
from fer_models.registry import task_of
from fer_models.tasks.gan import GANTask
from fer_models.training.callbacks import EMA
from fer_models.training.diff_augment import brighten, contrast, cut_out, diff_augment, shift
from fer_models.training.losses import gaussian_nll, gradient_penalty, kl_divergence

TINY: dict[str, dict[str, Any]] = {name: {"width": 4, "latent_dim": 8} for name in GENERATORS}
SMALL = ["--width", "4", "--latent_dim", "8", "--data", "synthetic:140", "--accelerator", "cpu", "--batch_size", "16"]


def generator(name: str) -> FaceGenerator:
    torch.manual_seed(0)
    network = GENERATORS[name](**TINY[name])
    with torch.no_grad():  # running statistics as after training
        for _ in range(20):
            network(torch.randn(64, 8), torch.arange(64) % 7)
    if name in ("cgan", "acgan"):
        for key, weight in network.named_parameters():
            if key.endswith(("scale", "shift")):
                nn.init.normal_(weight)
    config = {"model": name, "network_config": TINY[name]}
    return FaceGenerator(hub.Checkpoint(name, network.eval(), hub.input_of(network), config))


@pytest.mark.parametrize("name", GENERATORS)
def test_makes_faces_in_range_and_learns_in_every_weight(name: str):
    network = GENERATORS[name](**TINY[name])
    z, label = torch.randn(14, 8), torch.arange(14) % 7
    faces = network(z, label)
    assert faces.shape == (14, 1, 48, 48) and faces.abs().max() <= 1
    loss = faces.square().sum()
    if isinstance(network, Inverter):
        latents = network.encode(faces.detach())
        assert latents.shape == (14, 8)
        loss = loss + latents.square().sum()
    if name == "vae":
        loss = loss + network.posterior(faces.detach())[1].square().sum()  # type: ignore[operator]
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("spectral_norm", [True, False])
def test_discriminators_judge_each_face(name: str, spectral_norm: bool):
    network = GENERATORS[name](**TINY[name])
    if not isinstance(network, Adversarial):
        return
    discriminator = network.discriminator(4, spectral_norm)
    assert discriminator(torch.randn(14, 1, 48, 48), torch.arange(14) % 7).shape == (14,)


def test_the_projection_looks_at_the_emotion():
    torch.manual_seed(0)
    discriminator = GENERATORS["cgan"](**TINY["cgan"]).discriminator(8, True)  # type: ignore[operator]
    face = torch.randn(1, 1, 48, 48).expand(7, -1, -1, -1)
    assert len({round(float(x), 6) for x in discriminator(face, torch.arange(7)).detach()}) == 7


@pytest.mark.parametrize("name", GENERATORS)
def test_the_emotion_changes_conditional_generators_alone(name: str):
    made = generator(name)
    z = made.latents(1)
    faces = made.render(z.expand(7, -1), range(7))
    assert (len({face.tobytes() for face in faces}) > 1) == made.conditional


def test_the_same_seed_gives_the_same_faces_in_any_batch():
    made = generator("cgan")
    faces = made.sample(np.arange(20) % 7, seed=3)
    assert faces.shape == (20, 48, 48) and faces.dtype == np.uint8
    again = made.render(made.latents(20, seed=3), np.arange(20) % 7, batch_size=7)
    assert np.abs(faces.astype(int) - again).max() <= 1
    assert not np.array_equal(faces, made.sample(np.arange(20) % 7, seed=4))


def test_truncation_makes_faces_more_alike():
    made = generator("dcgan")
    spread = [made.sample([0] * 64, seed=0, truncation=t).astype(float).std(0).mean() for t in (1.0, 0.5, 0.0)]
    assert spread[0] > spread[1] > spread[2] == 0


def test_interpolation_starts_and_ends_at_its_latents():
    made = generator("vae")
    walk, ends = made.interpolate(3, seed=5, steps=9), made.render(made.latents(2, seed=5), [3, 3])
    assert len(walk) == 9
    assert np.abs(walk[[0, -1]].astype(int) - ends).max() <= 1
    start, end = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    assert slerp(start, end, 0.5).norm() == pytest.approx(1, abs=1e-4)


def test_variations_go_from_the_same_face_to_any_other():
    made = generator("vae")
    z = made.latents(1)
    assert torch.equal(made.variations(z, 3, strength=0), z.expand(3, -1))
    distance = [float((made.variations(z, 50, strength=s) - z).norm(dim=1).mean()) for s in (0.2, 0.6, 1.0)]
    assert distance[0] < distance[1] < distance[2]


def test_what_a_generator_can_not_do_is_a_sentence(folder: Path):
    with pytest.raises(UserError, match="can't be asked for an emotion"):
        generator("dcgan").all_emotions(torch.zeros(1, 8))
    with pytest.raises(UserError, match="can't start from a given face"):
        generator("cgan").invert(np.zeros((48, 48), np.uint8))
    with pytest.raises(UserError, match="generates no faces"):
        FaceGenerator(hub.load(str(folder)))


def test_pixels_cover_the_range():
    assert to_pixels(torch.tensor([-1.0, 0.0, 1.0]).reshape(1, 1, 1, 3)).tolist() == [[[0, 128, 255]]]


def test_diff_augment_keeps_shape_lets_gradients_through_and_changes_each_face():
    torch.manual_seed(0)
    faces = torch.rand(1, 1, 48, 48).expand(32, -1, -1, -1).clone().requires_grad_()
    changed = diff_augment(faces)
    changed.sum().backward()
    assert changed.shape == faces.shape and faces.grad is not None and faces.grad.abs().sum() > 0
    assert len({face.detach().numpy().tobytes() for face in changed}) == 32


def test_each_part_of_diff_augment_does_what_it_says():
    torch.manual_seed(0)
    faces = torch.rand(64, 1, 48, 48) - 0.5
    difference = brighten(faces) - faces
    assert difference.flatten(1).std(1).max() < 1e-5 and difference.abs().max() <= 0.5
    assert torch.allclose(contrast(faces).mean((1, 2, 3)), faces.mean((1, 2, 3)), atol=1e-5)
    holes = (cut_out(faces) == 0).flatten(1).sum(1)
    assert holes.max() == 19 * 19 and holes.min() >= 9 * 9
    marked = torch.full((200, 1, 48, 48), -1.0)
    marked[:, :, 24, 24] = 1
    moved = (shift(marked) == 1).nonzero()[:, 2:] - 24
    assert len(moved) == 200 and moved.min() == -6 and moved.max() == 6


def test_losses_against_their_formulas():
    mean, log_variance = torch.randn(5, 3), torch.randn(5, 3)
    expected = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, (log_variance / 2).exp()), torch.distributions.Normal(0, 1)
    ).sum(1)
    assert torch.allclose(kl_divergence(mean, log_variance), expected, atol=1e-5)
    image, noise = torch.zeros(2, 1, 8, 8), torch.full((2, 1, 8, 8), 0.5)
    likelihood = torch.distributions.Normal(noise, 0.5).log_prob(image).sum((1, 2, 3)).mean()
    assert gaussian_nll(image, noise) == pytest.approx(-float(likelihood), rel=1e-5)
    images = torch.randn(4, 1, 3, 3, requires_grad=True)
    assert gradient_penalty((2 * images).sum((1, 2, 3)), images) == pytest.approx(4 * 9)


def fit(task: Any, epochs: int = 1, **options: Any) -> Trainer:
    trainer = Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, use_distributed_sampler=False, **options,
    )  # fmt: skip
    trainer.fit(task, FER2013DataModule("synthetic:140", 16, augment="flip", preprocess=task.preprocess))
    return trainer


@pytest.mark.parametrize("name", ["dcgan", "cgan", "acgan"])
def test_both_networks_learn_and_figures_are_logged(name: str):
    torch.manual_seed(0)
    task = task_of(name)(name, TINY[name], discriminator_width=4, r1=1.0)  # type: ignore[call-arg]
    before = {key: weight.clone() for key, weight in task.named_parameters()}
    trainer = fit(task, callbacks=[EMA(0.9)])
    changed = {key for key, weight in task.named_parameters() if not torch.equal(weight, before[key])}
    # The last bias may stay: the hinge's pushes from real and generated faces cancel out there at first.
    assert set(before) - changed <= {"discriminator.real.bias", "discriminator.layers.8.bias"}
    logged = {key: float(value) for key, value in trainer.callback_metrics.items()}
    assert {"train/loss_d", "train/loss_g", "train/accuracy_d", "val/fd", "val/diversity"} <= set(logged)
    assert logged["val/fd"] > 0 and all(p.requires_grad for p in task.parameters())


def test_a_discriminator_learns_to_tell_noise_from_faces():
    torch.manual_seed(0)
    task = GANTask("dcgan", TINY["dcgan"], "non-saturating", 1e-6, 1000, discriminator_width=8, spectral_norm=False)
    logged = fit(task, epochs=3, limit_val_batches=0).callback_metrics
    assert logged["train/accuracy_d"] > 0.8


def test_a_vae_learns_to_draw_a_face_again():
    torch.manual_seed(0)
    task = task_of("vae")("vae", {"width": 8, "latent_dim": 16}, lr=3e-3)  # type: ignore[call-arg]
    data = FER2013DataModule("synthetic:140", preprocess=task.preprocess)
    faces = torch.stack([data.dataset("Training")[k]["image"] for k in range(32)])
    labels = torch.tensor([data.dataset("Training")[k]["label"] for k in range(32)])

    def error() -> float:
        task.eval()
        with torch.no_grad():
            found = float((task(task.network.encode(faces), labels) - faces).abs().mean())  # type: ignore[operator]
        task.train()
        return found

    before = error()
    fit(task, epochs=8)
    assert error() < before / 2


def test_a_reader_makes_a_vae_heed_its_label():
    def between_emotions(weight: float) -> float:
        torch.manual_seed(0)
        task = task_of("vae")("vae", {"width": 8, "latent_dim": 16}, lr=3e-3, warmup_epochs=1, reader_weight=weight)  # type: ignore[call-arg]
        fit(task, epochs=6, limit_val_batches=0)
        task.eval()
        with torch.no_grad():
            faces = task(torch.randn(8, 1, 16).expand(8, 7, 16).reshape(56, 16), torch.arange(7).repeat(8))
        return float(faces.reshape(8, 7, -1).std(1).mean())

    assert between_emotions(100.0) > 1.4 * between_emotions(0.0)


def test_non_finite_steps_are_skipped_and_then_stop_the_run_with_their_cause():
    task = GANTask("dcgan", TINY["dcgan"], discriminator_width=4)
    before = [weight.clone() for weight in task.parameters()]
    task.shown = lambda faces: faces * float("nan")  # type: ignore[method-assign]
    with pytest.raises(UserError, match="10 steps in a row had gradients that are no numbers"):
        fit(task, epochs=3)
    assert all(torch.equal(old, new) for old, new in zip(before, task.parameters(), strict=True))


def test_mode_collapse_is_told(capsys: pytest.CaptureFixture[str]):
    task = GANTask("dcgan", TINY["dcgan"], lr=0.0, discriminator_width=4)
    nn.init.zeros_(task.network.layers[0].weight)  # type: ignore[union-attr, arg-type, index]
    fit(task, epochs=7, limit_train_batches=1)
    assert "mode collapse" in capsys.readouterr().out


def test_an_auxiliary_reward_ends_where_the_classifier_is_sure():
    task = task_of("acgan")("acgan", TINY["acgan"], discriminator_width=4, certainty=0.9)  # type: ignore[call-arg]
    sure = torch.full((7, 7), -10.0).fill_diagonal_(10.0).requires_grad_()
    task.discriminator.judge = lambda faces: (torch.zeros(7), sure)  # type: ignore[method-assign]
    task.generator_loss(torch.zeros(7, 1, 48, 48), torch.arange(7)).backward()
    assert sure.grad is not None and sure.grad.abs().sum() == 0


@pytest.fixture(scope="module")
def dcgan_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    options = [*SMALL, "--discriminator_width", "4", "--max_epochs", "2", "--run_dir", str(folder), "--name", "a"]
    train.main(["--model", "dcgan", *options])
    return folder / "dcgan" / "a"


def test_a_run_leaves_samples_curves_and_the_best_generator(dcgan_run: Path):
    assert {path.name for path in (dcgan_run / "samples").iterdir()} == {"epoch-0001.png", "epoch-0002.png"}
    assert (dcgan_run / "curves.png").stat().st_size > 1000
    found = FaceGenerator(hub.load_any(str(dcgan_run)))
    assert found.sample([0, 1], seed=0).shape == (2, 48, 48)


@pytest.mark.parametrize("model", ["cgan", "vae"])
def test_a_resumed_run_ends_where_an_undisturbed_one_does(model: str, tmp_path: Path):
    """Both optimizers, the averaged weights and the random numbers go on as they were."""
    options = ["--model", model, *SMALL, "--limit_train_batches", "3", "--run_dir", str(tmp_path)]
    train.main([*options, "--max_epochs", "3", "--name", "whole"])
    train.main([*options, "--max_epochs", "2", "--name", "parts"])
    train.main([*options, "--max_epochs", "3", "--name", "parts", "--resume", "auto"])
    whole, parts = (
        torch.load(tmp_path / model / name / "checkpoints" / "last.ckpt", weights_only=True)
        for name in ("whole", "parts")
    )
    for part in ("state_dict", "current_model_state"):
        assert all(torch.equal(whole[part][key], parts[part][key]) for key in whole[part])


def test_an_encoder_learns_for_a_generator_that_stays_as_it_is(dcgan_run: Path, tmp_path: Path):
    options = ["--generator", str(dcgan_run), "--max_epochs", "2", "--run_dir", str(tmp_path), "--name", "a"]
    train.main(["--model", "dcgan_inverter", *SMALL, *options])
    old = hub.load_any(str(dcgan_run)).network.state_dict()
    found = FaceGenerator(hub.load_any(str(tmp_path / "dcgan_inverter" / "a")))
    new = found.network.state_dict()
    assert all(torch.equal(old[key], new[key]) for key in old) and found.inverts
    assert found.invert(np.zeros((48, 48), np.uint8)).shape == (1, 8)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "dcgan_inverter", "--generator", "gone"], "no checkpoint 'gone'"),
        (["--model", "dcgan_inverter", "--generator", "cnn"], "no dcgan"),
        (["--model", "cgan", "--beta1", "1"], "--beta1"),
        (["--model", "vae", "--kl_weight", "-1"], "--kl_weight"),
        (["--model", "acgan", "--certainty", "2"], "--certainty"),
    ],
)
def test_wrong_options_end_with_a_sentence(options: list[str], words: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        train.main([*options, "--data", "synthetic:70"])
    said = capsys.readouterr().err
    assert caught.value.code == 1 and words in said and "Traceback" not in said
