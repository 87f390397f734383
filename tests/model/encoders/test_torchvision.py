"""Torchvision models as encoders: their own features, sizes and weights, which a checkpoint then contains."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.models import get_model, get_model_weights

from regard.config.compose import compose_points, freeze
from regard.errors import UsageError
from regard.launch.resume import prepare_resume
from regard.model.encoders.torchvision import TorchvisionEncoder
from regard.model.feed_forward import relu
from regard.model.mixer import SelfAttention
from regard.model.norm import layer_norm
from regard.model.positions import Sinusoidal
from regard.model.recorder import Recorder
from regard.model.residual import PreNorm
from regard.model.transformer import Transformer
from regard.runs.work import work
from regard.training.checkpoint import load_model

SMALL = [
    "task=captioning", "data.size=60", "data.validation_size=8", "data.test_size=8", "data.held_out_size=4",
    "model=demo", "model.dim=16", "model.depth=1", "model.num_heads=2", "model.ffn_dim=32", "model.max_length=20",
    "batches.images_per_batch=16", "trainer.val_check_interval=2", "callbacks.last.every_n_steps=2",
    "callbacks.attention.sentences=1", "logger=none", "model/encoder=resnet18", "model.encoder.image_size=64",
]  # fmt: skip


def make(name: str, **options: Any) -> Any:
    """A model with this torchvision model in its encoder; options are those of the encoder."""
    torch.manual_seed(0)
    return Transformer(
        vocab_size=13, source_vocab_size=None, dim=16, depth=1, num_heads=2, ffn_dim=24, dropout=0.0, max_length=32,
        positions=Sinusoidal, mixer=SelfAttention, feed_forward=relu, residual=partial(PreNorm, norm=layer_norm),
        encoder=partial(TorchvisionEncoder, name=name, **({"depth": 1} | options)),
    ).eval()  # fmt: skip


def images(size: int, count: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of mobilenet_v3_small, as torchvision stores them, unlike those that a constructor makes."""
    path = tmp_path_factory.mktemp("weights") / "mobilenet.pth"
    torch.manual_seed(5)
    torch.save(get_model("mobilenet_v3_small").state_dict(), path)
    return path


@pytest.mark.parametrize(
    ("name", "size", "side", "last"),
    [
        ("resnet18", 64, 2, "layer4"),
        ("mobilenet_v3_small", 96, 3, "features"),
        ("vit_b_16", 32, 2, "encoder"),
        ("swin_t", 64, 2, "permute"),
    ],
)
@torch.no_grad()
def test_the_memory_is_the_last_feature_map(name: str, size: int, side: int, last: str) -> None:
    model = make(name, image_size=size)
    assert (model.encoder.image_size, model.encoder.grid) == (size, (side, side))
    recorder = Recorder()
    logits = model(torch.tensor([[1, 5], [1, 6]]), images(size), recorder)
    assert logits.shape == (2, 2, 13)
    assert recorder.maps["decoder.0.cross"].shape == (2, 2, 2, side**2)
    assert recorder.maps["encoder.0.self"].shape == (2, 2, side**2, side**2)
    # The same weights in torchvision's own model give the same features.
    found = []
    whole = get_model(name, **({"image_size": size} if last == "encoder" else {})).eval()
    assert not whole.load_state_dict(model.encoder.backbone.state_dict(), strict=False).unexpected_keys
    whole.get_submodule(last).register_forward_hook(lambda module, given, output: found.append(output))
    pixels = torch.randn(2, 3, size, size)
    whole(pixels)
    expected = found[0][:, 1:].transpose(1, 2) if last == "encoder" else found[0].flatten(2)  # without class token
    torch.testing.assert_close(model.encoder.backbone(pixels).flatten(2), expected)


def test_pixels_are_normalised_as_torchvision_does() -> None:
    model, given = make("resnet18", image_size=64), []
    model.encoder.backbone.register_forward_pre_hook(lambda module, arguments: given.append(arguments[0]))
    model.encode(images(64))
    transforms = get_model_weights("resnet18").DEFAULT.transforms(crop_size=64, resize_size=64)
    torch.testing.assert_close(given[0], transforms(images(64)))


@torch.no_grad()
def test_without_layers_the_memory_is_the_projected_features() -> None:
    encoder = make("resnet18", image_size=64, depth=0).encoder
    assert encoder(images(64)).states.shape == (2, 4, 16)
    assert not encoder.layers


def test_a_frozen_backbone_does_not_change() -> None:
    model = make("resnet18", image_size=64, freeze=True)
    before = {name: value.clone() for name, value in model.encoder.backbone.state_dict().items()}
    model.train()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    model(torch.tensor([[1, 5], [1, 6]]), images(64)).square().sum().backward()
    optimizer.step()
    assert all(parameter.grad is None for parameter in model.encoder.backbone.parameters())
    assert model.encoder.projection.weight.grad.abs().sum() > 0
    after = model.encoder.backbone.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_a_backbone_that_is_not_frozen_is_trained() -> None:
    model = make("resnet18", image_size=64).train()
    before = model.encoder.backbone.bn1.running_mean.clone()
    model(torch.tensor([[1, 5], [1, 6]]), images(64)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.encoder.backbone.parameters())
    assert not torch.equal(model.encoder.backbone.bn1.running_mean, before)


def test_weights_of_a_file_are_loaded_after_construction(file: Path) -> None:
    model = make("mobilenet_v3_small", image_size=64, weights=str(file))
    model.encoder.load_pretrained()
    saved = torch.load(file, weights_only=True)
    for name, value in model.encoder.backbone.state_dict().items():
        assert torch.equal(value, saved[name]), name


@torch.no_grad()
def test_an_entry_of_torchvision_is_loaded_for_another_image_size(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = get_model_weights("vit_b_16").IMAGENET1K_V1
    torch.manual_seed(5)
    state = get_model("vit_b_16").state_dict()
    # Names of the downloaded file, which torchvision converts.
    state = {name.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2."): v for name, v in state.items()}
    monkeypatch.setattr(type(entry), "get_state_dict", lambda *_, **__: dict(state))
    model = make("vit_b_16", image_size=32, weights="IMAGENET1K_V1")
    model.encoder.load_pretrained()
    backbone = model.encoder.backbone
    assert torch.equal(
        backbone.encoder.layers[3].mlp[0].weight, state["encoder.layers.encoder_layer_3.mlp.linear_1.weight"]
    )
    old, new = state["encoder.pos_embedding"], backbone.encoder.pos_embedding
    assert new.shape == (1, 1 + 2 * 2, 768)
    torch.testing.assert_close(new[0, [0, 1, -1]], old[0, [0, 1, -1]])  # the class token and two corners


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["name=resnt18"], "model.encoder.name=resnt18: torchvision has no such model; did you mean resnet18"),
        (["name=maxvit_t"], "model.encoder.name=maxvit_t: no feature map of an image of 64 pixels"),
        (["name=vit_b_16", "image_size=40"], "model.encoder.name=vit_b_16: no feature map of an image of 40 pixels"),
        (["image_size=32"], "model.encoder.image_size=32: resnet18 reduces the image to one position"),
        (["weights=IMAGENET1K_V7"], "model.encoder.weights=IMAGENET1K_V7: no such file, and no weights of resnet18 in "
         "torchvision; expected the path of a state dict, or one of IMAGENET1K_V1, DEFAULT"),
        (["weights={file}"], "{file}: expected a state dict of torchvision's resnet18 (it has no conv1.weight)"),
        (["weights={wide}"], "{wide}: expected a state dict of torchvision's resnet18 (size mismatch for conv1.weight"),
        (["weights={text}"], "{text}: expected a state dict of torchvision's resnet18 (not a readable file"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_reported_before_the_run(
    options: list[str], message: str, file: Path, tmp_path: Path
) -> None:
    names = {"file": str(file), "wide": str(tmp_path / "wide.pth"), "text": str(tmp_path / "text.pth")}
    torch.save({"conv1.weight": torch.zeros(64, 4, 7, 7)}, names["wide"])
    Path(names["text"]).write_text("weights")
    given = [f"model.encoder.{option.format(**names)}" for option in options]
    with pytest.raises(UsageError) as caught:
        compose_points([*SMALL, *given, f"paths.cache={tmp_path}/cache"])
    assert message.format(**names) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_network_the_message_names_the_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr("torch.hub.download_url_to_file", unreachable)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(
        UsageError, match=r"^model\.encoder\.weights=DEFAULT: https://.*/resnet18-.*cannot be downloaded"
    ):
        compose_points([*SMALL, "model.encoder.weights=DEFAULT", f"paths.cache={tmp_path}/cache"])


def test_the_image_size_is_that_of_the_weights(tmp_path: Path) -> None:
    ((config, _),) = compose_points(
        [*SMALL, "model/encoder=vit_b_16", "model.encoder.image_size=null", f"paths.cache={tmp_path}"]
    )
    assert (
        config["model"]["encoder"]["image_size"] == config["batches"]["image_size"] == config["data"]["pixels"] == 224
    )


@pytest.mark.filterwarnings("ignore:Found .* in eval mode:UserWarning")  # Lightning; it is only written to log.txt
def test_a_run_reads_the_file_once(regard: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """After its first step, resuming the run and using its checkpoint need neither the file nor network access."""
    torch.manual_seed(5)
    torch.save(state := get_model("resnet18").state_dict(), tmp_path / "resnet.pth")
    monkeypatch.chdir(tmp_path)
    (run,) = freeze(compose_points([
        *SMALL, "model.encoder.weights=resnet.pth", "model.encoder.freeze=true", "trainer.max_steps=2",
    ]))  # fmt: skip
    monkeypatch.chdir("/")  # the path in the configuration is absolute
    assert work(run.path) == 0
    (tmp_path / "resnet.pth").unlink()
    prepare_resume([run], ["trainer.max_steps=4"])
    assert work(run.path) == 0
    loaded = load_model(run.checkpoints / "last.ckpt")
    assert loaded.step == 4
    encoder: Any = loaded.model.encoder
    assert all(torch.equal(value, state[name]) for name, value in encoder.backbone.state_dict().items())
    said = regard("caption", run.path, run.path / "example.png")
    assert said.code == 0, said.err
    page = tmp_path / "page.html"
    said = regard("attend", run.path, "--image", run.path / "example.png", "--output", page)
    assert said.code == 0, said.err
    assert '"grid":[2,2]' in page.read_text(encoding="utf-8")
