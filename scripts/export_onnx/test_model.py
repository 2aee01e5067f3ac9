"""python -m pytest scripts/export_onnx: a network of one's own becomes a file that says all of itself."""

import json

import pytest

REQUIREMENTS = "needs the packages of scripts/export_onnx/requirements.txt"
torch = pytest.importorskip("torch", reason=REQUIREMENTS)
onnx = pytest.importorskip("onnx", reason=REQUIREMENTS)
ort = pytest.importorskip("onnxruntime", reason=REQUIREMENTS)
torchvision = pytest.importorskip("torchvision", reason=REQUIREMENTS)
pytest.importorskip("timm", reason=REQUIREMENTS)
safetensors_torch = pytest.importorskip("safetensors.torch", reason=REQUIREMENTS)

import numpy as np

import export
import graph
import own as own_module
import preprocessing
import sources
from failure import Failure

OWN = """
import torch
from torch import nn

class Head(nn.Module):  # dropout → 1×1 convolution → ReLU → mean, as SqueezeNet's
    def __init__(self):
        super().__init__()
        self.drop, self.conv = nn.Dropout(0.25), nn.Conv2d(8, 5, 1)
    def forward(self, x):
        return torch.relu(self.conv(self.drop(x))).mean((2, 3))

def stem():
    return [nn.Conv2d(3, 8, 3, stride=4, bias=False), nn.BatchNorm2d(8), nn.ReLU()]

def mapped():
    return nn.Sequential(*stem(), Head())

def no_bias():
    return nn.Sequential(*stem(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.1), nn.Linear(8, 5, bias=False))

def no_classifier():
    return nn.Sequential(*stem(), nn.AdaptiveAvgPool2d(1), nn.Flatten())

class Frozen(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.fc = nn.Sequential(*stem(), nn.AdaptiveAvgPool2d(1)), nn.Linear(8, 5)
    def forward(self, x):
        return self.fc(self.body(x).reshape(int(x.shape[0]), 8) + torch.zeros(len(x.tolist()), 8))

def frozen():
    return Frozen()

class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(*stem(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
    def forward(self, x):
        return self.body(x + torch.rand_like(x) if self.training else x)

def noisy():
    return Noisy()

class Buffered(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.fc = nn.Sequential(*stem(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), nn.Linear(8, 5)
        self.register_buffer("gain", torch.ones(8))
    def forward(self, x):
        return self.fc(self.body(x) * self.gain)

def buffered():
    return Buffered()

class Unexportable(nn.Module):  # in training mode, as the auxiliary classifiers of GoogLeNet
    def __init__(self):
        super().__init__()
        self.body, self.fc = nn.Sequential(*stem()), nn.Linear(8, 5)
    def forward(self, x):
        x = self.body(x)
        if self.training:
            x = x + nn.functional.adaptive_avg_pool2d(x, 3).mean()
        return self.fc(x.mean((2, 3)))

def unexportable():
    return Unexportable()

class Chaotic(nn.Module):  # float32 rounding decides its logits for noise, as in LeViT
    def __init__(self):
        super().__init__()
        self.body, self.fc = nn.Sequential(*stem(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), nn.Linear(8, 5)
    def forward(self, x):
        rough = torch.relu((x[:, :, 1:] - x[:, :, :-1]).pow(2).mean((1, 2, 3)) - 0.5)
        return self.fc(self.body(x) + torch.sin(rough * 1e9)[:, None])

def chaotic():
    return Chaotic()

def number():
    return 3
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


def run(capsys, *arguments):
    """Exit code, the JSON document of stdout or None, and stderr."""
    code = export.main(["model", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, json.loads(out) if out else None, err


def metadata(path):
    return {p.key: p.value for p in onnx.load(path).metadata_props}


def infer(path, images, output=None):
    model = graph.to_inference(onnx.load(path))
    if output:
        model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, None))
    session = ort.InferenceSession(graph.serialize(model), providers=["CPUExecutionProvider"])
    return session.run(None, {"input": images})[0]


def test_torchvision_with_a_weights_file(tmp_path, capsys):
    torch.manual_seed(5)
    model = torchvision.models.mobilenet_v3_small(num_classes=7).eval()
    weights, out = tmp_path / "mobilenet_v3_small-047dcff4.pth", tmp_path / "m.onnx"
    torch.save({"state_dict": {"module." + k: v for k, v in model.state_dict().items()}}, weights)
    code, report, err = run(capsys, "--torchvision", "mobilenet_v3_small", "--weights", weights, "--classes", 7, "--out", out)
    assert code == 0, err
    assert metadata(out) == {
        "fx.format": "1",
        "fx.backbone": "mobilenet_v3_small",
        "fx.weights": weights.name,
        "fx.preprocess": '{"resize":256,"crop":224,"interpolation":"bilinear","mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225]}',
        "fx.features": "/classifier/classifier.1/HardSwish_output_0",
        "fx.head": '{"kind":"linear","in":1024,"spatial":[0,0],"weight":"classifier.3.weight","bias":"classifier.3.bias","dropout":0.2,"classes":7}',
    }
    assert report["mode"] == "training" and report["feature_shape"] == [1024] and report["notes"] == []
    kept = []
    model.classifier[2].register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0].numpy().copy()))
    images = np.random.default_rng(0).normal(size=(3, 3, 224, 224)).astype(np.float32)
    with torch.no_grad():
        logits = model(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(infer(out, images), logits, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(infer(out, images, report["features"]), kept[0], rtol=1e-4, atol=1e-5)


def test_timm_transformer(tmp_path, capsys):
    import timm

    timm_name, out = "test_vit.r160_in1k", tmp_path / "v.onnx"
    code, report, err = run(capsys, "--timm", timm_name, "--out", out)
    assert code == 0, err
    config = timm.data.resolve_data_config({}, model=timm.create_model(timm_name))
    assert report["preprocess"]["crop"] == config["input_size"][1]
    assert report["preprocess"]["mean"] == list(config["mean"])
    assert report["head"]["weight"] == "head.weight" and report["weights"] == "random"
    assert "random" in err
    size = report["preprocess"]["crop"]
    assert infer(out, np.zeros((5, 3, size, size), np.float32)).shape == (5, 1000)


@pytest.mark.parametrize("crop_mode", ["center", "squash", "border"])
def test_timm_crop_mode(crop_mode):
    import timm
    from torchvision import transforms

    network = timm.create_model("test_vit", pretrained_cfg_overlay={"crop_mode": crop_mode, "crop_pct": 0.9})
    spec, notes = preprocessing.of_timm(network)
    spec = preprocessing.override(spec)
    assert spec.get("mode") == ("squash" if crop_mode == "squash" else None)
    assert [crop_mode in note for note in notes] == ([True] if crop_mode == "border" else [])
    if notes:
        return
    theirs = timm.data.create_transform(**timm.data.resolve_data_config({}, model=network)).transforms[:2]
    size = [spec["resize"]] * 2 if crop_mode == "squash" else spec["resize"]
    filter = transforms.InterpolationMode(spec["interpolation"])
    ours = [transforms.Resize(size, filter), transforms.CenterCrop(spec["crop"])]
    for width, height in ((301, 200), (120, 400), (9, 5)):
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        photo = torchvision.transforms.functional.to_pil_image(pixels)
        assert transforms.Compose(ours)(photo).tobytes() == transforms.Compose(theirs)(photo).tobytes()


def test_module_that_squashes(own, tmp_path, capsys):
    out = tmp_path / "m.onnx"
    code, report, err = run(capsys, "--module", f"{own}:no_bias", "--size", 32, "--resize", 40, "--mode", "squash", "--out", out)
    assert code == 0, err
    spec = {"mode": "squash", "resize": 40, "crop": 32, "interpolation": "bilinear", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    assert report["preprocess"] == spec and json.loads(metadata(out)["fx.preprocess"]) == spec


def test_stochastic_depth_is_a_dropout_of_ones(tmp_path, capsys):
    code, report, err = run(capsys, "--torchvision", "efficientnet_b0", "--size", 64, "--out", tmp_path / "e.onnx")
    assert code == 0, err
    assert report["mode"] == "training"
    traced = onnx.load(tmp_path / "e.onnx").graph
    producers = {name: n for n in traced.node for name in n.output}
    depths = [n for n in traced.node if graph.stochastic_depth(n, producers)]
    assert len(depths) == 9  # of 16 blocks 9 have a shortcut, and of those the first has p = 0.0125
    ops = [n.op_type for n in graph.to_inference(onnx.load(tmp_path / "e.onnx")).graph.node]
    assert "Dropout" not in ops and "ConstantOfShape" not in ops
    assert report["preprocess"]["crop"] == 64 and report["preprocess"]["resize"] == 64 * 256 // 224
    assert report["preprocess"]["interpolation"] == "bicubic"


def test_module_with_a_map_head(own, tmp_path, capsys):
    code, report, err = run(capsys, "--module", f"{own}:mapped", "--size", 32, "--mean", 0.5, 0.5, 0.5, "--out", tmp_path / "m.onnx")
    assert code == 0, err
    assert report["feature_shape"] == [8, 8, 8]
    assert report["head"] == {
        "kind": "conv1x1", "in": 8, "spatial": [8, 8], "weight": "3.conv.weight", "bias": "3.conv.bias",
        "dropout": 0.25, "classes": 5,
    }  # fmt: skip
    assert report["preprocess"]["mean"] == [0.5, 0.5, 0.5] and report["weights"] == "own.py:mapped"


def test_module_without_bias_and_weights_from_safetensors(own, tmp_path, capsys):
    namespace = {}
    exec(OWN, namespace)
    torch.manual_seed(9)
    model, weights, out = namespace["no_bias"]().eval(), tmp_path / "w.safetensors", tmp_path / "m.onnx"
    safetensors_torch.save_file(model.state_dict(), weights)
    code, report, err = run(capsys, "--module", f"{own}:no_bias", "--weights", weights, "--size", 32, "--out", out)
    assert code == 0, err
    assert report["head"]["weight"] == "6.weight" and report["head"]["bias"] == "" and report["head"]["dropout"] == 0.1
    images = np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32)
    with torch.no_grad():
        np.testing.assert_allclose(infer(out, images), model(torch.from_numpy(images)).numpy(), rtol=1e-4, atol=1e-6)


def test_buffers_are_named(own, tmp_path, capsys):
    code, _, err = run(capsys, "--module", f"{own}:buffered", "--size", 32, "--out", tmp_path / "m.onnx")
    assert code == 0, err
    assert metadata(tmp_path / "m.onnx")["fx.buffers"] == '["gain"]'  # not the running statistics


def lively(model, size):
    """Batch normalizations of other scales and shifts, with statistics of random images."""
    torch.manual_seed(7)
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = 0.5
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.3, 0.3)
    with torch.no_grad():
        model.train()(torch.randn(4, 3, size, size))
    return model.eval()


def saved(model, path):
    safetensors_torch.save_model(model, str(path))  # has no _metadata, unlike a .pth of torch.save
    return path


def difference(path, model, size, features=None):
    """Relative L2 between the file and the network; features is the tensor to compare with what the network returns."""
    images = np.random.default_rng(0).normal(size=(3, 3, size, size)).astype(np.float32)
    with torch.no_grad():
        want = model(torch.from_numpy(images)).numpy()
    return np.linalg.norm(infer(path, images, features) - want) / np.linalg.norm(want)


def test_a_failed_trace_changes_nothing_and_is_silent(own, tmp_path, capfd):
    weights, out, namespace = tmp_path / "w.pth", tmp_path / "m.onnx", {}
    exec(OWN, namespace)
    model = lively(namespace["unexportable"](), 32)
    torch.save(model.state_dict(), weights)
    assert export.main(["model", "--module", f"{own}:unexportable", "--weights", str(weights), "--size", "32", "--out", str(out)]) == 0
    stdout = capfd.readouterr().out
    assert json.loads(stdout)["mode"] == "evaluation" and difference(out, model, 32) < 1e-5
    held = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(out).graph.initializer}
    for name, tensor in model.state_dict().items():
        assert name not in held or np.array_equal(held[name], tensor.numpy()), name


@pytest.mark.parametrize("name", ["googlenet", "mnasnet0_5"])
def test_torchvision_networks_that_torch_did_not_export(name, tmp_path, capfd):
    options = {"init_weights": False} if name == "googlenet" else {}
    model = lively(torchvision.models.get_model(name, **options), 64)
    weights, out = saved(model, tmp_path / "w.safetensors"), tmp_path / "m.onnx"
    flags = ["--no-transform-input"] if name == "googlenet" else []
    assert export.main(["model", "--torchvision", name, "--weights", str(weights), "--size", "64", "--out", str(out), *flags]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["mode"] == "training" and difference(out, model, 64) < 1e-4
    assert [value.name for value in onnx.load(out).graph.output] == ["logits"]  # no auxiliary classifiers


def test_transform_input_can_be_chosen(tmp_path):
    weights = tmp_path / "g.pth"
    torch.save(torchvision.models.googlenet(init_weights=False).state_dict(), weights)
    for chosen, want in ((None, True), (True, True), (False, False)):
        source = sources.from_torchvision("googlenet", str(weights), transform_input=chosen)
        assert source.model.transform_input is want
        assert any("--no-transform-input" in note for note in source.notes) == (chosen is None)


@pytest.mark.parametrize("name", ["eva02_tiny_patch14_224", "vit_small_patch16_dinov3", "vit_small_patch14_dinov2", "vit_small_patch14_reg4_dinov2"])
def test_without_a_classifier_the_output_is_the_features(name, tmp_path, capsys):
    import timm

    size = 64 if "16" in name else 56
    model = timm.create_model(name, img_size=size).eval()
    weights, out = saved(model, tmp_path / "w.safetensors"), tmp_path / "m.onnx"
    whole = timm.create_model(name)
    if whole.pos_embed is not None:  # timm interpolates the table of the weights' own size
        table = torch.randn(whole.pos_embed.shape, generator=torch.Generator().manual_seed(1))
        whole.load_state_dict({**{k: v for k, v in model.state_dict().items()}, "pos_embed": table})
        model.pos_embed.data = timm.layers.resample_abs_pos_embed(
            table, new_size=[size // 14] * 2, num_prefix_tokens=0 if whole.no_embed_class else whole.num_prefix_tokens
        )
        saved(whole, weights)
    code, report, err = run(capsys, "--timm", name, "--weights", weights, "--size", size, "--out", out)
    assert code == 0, err
    assert report["head"] is None and report["mode"] == "training" and "no classifier" in err
    assert report["preprocess"]["crop"] == size and report["feature_shape"] == [model.num_features]
    assert difference(out, model, size, report["features"]) < 1e-4


@pytest.mark.parametrize(("name", "width"), [("deit_tiny_distilled_patch16_224", 2 * 192), ("repvit_m0_9", 384), ("levit_128s", 384)])
def test_two_averaged_classifiers_become_one(name, width, tmp_path, capsys):
    import timm

    size = 224 if name.startswith("levit") else 64
    model = timm.create_model(name, num_classes=6, **({"img_size": size} if name.startswith("deit") else {}))
    lively(model, size)
    for head in ("head", "head_dist"):
        part = model.get_submodule(head if hasattr(model, "head_dist") else "head." + head)
        torch.nn.init.normal_(next(m for m in part.modules() if isinstance(m, torch.nn.Linear)).weight)
    weights, out = saved(model, tmp_path / "w.safetensors"), tmp_path / "m.onnx"
    flags = ["--size", size] if size != 224 else []
    code, report, err = run(capsys, "--timm", name, "--weights", weights, "--classes", 6, *flags, "--out", out)
    assert code == 0, err
    assert "averages two classifiers" in err and report["mode"] == "training"
    assert report["feature_shape"] == [width] and report["head"]["classes"] == 6 and report["head"]["in"] == width


def test_torchvision_transformer_of_another_size(tmp_path, capsys):
    code, report, err = run(capsys, "--torchvision", "vit_b_32", "--size", 64, "--out", tmp_path / "v.onnx")
    assert code == 0, err
    assert report["preprocess"]["crop"] == 64 and report["feature_shape"] == [768]


def test_noise_that_float32_cannot_compute_is_not_judged(own, tmp_path, capsys):
    code, report, err = run(capsys, "--module", f"{own}:chaotic", "--size", 32, "--out", tmp_path / "m.onnx")
    assert code == 0, err
    model = onnx.load(tmp_path / "m.onnx")
    network = sources.from_module(f"{own}:chaotic").model  # of other random weights
    with pytest.raises(Failure, match="differs from the network"):
        own_module.verify(graph.to_inference(model), network, 32)


def test_features_can_be_named(own, tmp_path, capsys):
    arguments = ("--module", f"{own}:no_classifier", "--size", 32, "--out", tmp_path / "m.onnx")
    code, report, err = run(capsys, *arguments)
    assert code == 2 and "--features" in err and "logits" in err
    code, report, err = run(capsys, *arguments, "--features", "logits")
    assert code == 0, err
    assert report["feature_shape"] == [8] and report["head"] is None and "fx.head" not in metadata(tmp_path / "m.onnx")


def test_random_training_graph_falls_back_to_evaluation(own, tmp_path, capsys):
    code, report, err = run(capsys, "--module", f"{own}:noisy", "--size", 32, "--out", tmp_path / "m.onnx")
    assert code == 0, err
    assert report["mode"] == "evaluation" and "random numbers" in err and "without dropout" in err
    assert "finetuned" not in err, "its batch normalization trains in fx"
    names = [t.name for t in onnx.load(tmp_path / "m.onnx").graph.initializer]
    assert "body.1.running_var" in names, "batch normalisation was folded away"


def test_frozen_batch_is_refused(own, tmp_path, capsys):
    code, report, err = run(capsys, "--module", f"{own}:frozen", "--size", 32, "--out", tmp_path / "m.onnx")
    assert code == 4 and "batch" in err and not (tmp_path / "m.onnx").exists()


def test_same_file_twice(own, tmp_path, capsys):
    for out in ("a.onnx", "b.onnx"):
        assert run(capsys, "--module", f"{own}:mapped", "--size", 32, "--out", tmp_path / out)[0] == 0
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--torchvision", "resnet81"], 2, "Did you mean resnet18"),
        (["--timm", "resnet10x"], 2, "Did you mean resnet10t"),
        (["--torchvision", "resnet18", "--weights", "nowhere.pth"], 2, "no such file"),
        (["--torchvision", "resnet18", "--weights", "DEFAULT", "--classes", "2"], 2, "leave it out"),
        (["--torchvision", "resnet18", "--pretrained"], 2, "--weights DEFAULT"),
        (["--torchvision", "resnet18", "--transform-input"], 2, "inception_v3"),
        (["--timm", "test_vit", "--no-transform-input"], 2, "--torchvision"),
        (["--timm", "test_vit", "--size", "100"], 2, "patch of 16"),
        (["--timm", "test_resnet", "--features", "nope"], 2, "no such tensor"),
        (["--module", "own.py"], 2, "FILE.py:FUNCTION"),
        (["--module", "nowhere.py:net"], 2, "no file"),
        (["--module", "OWN:nothing"], 2, "no function"),
        (["--module", "OWN:number"], 2, "torch.nn.Module"),
        (["--module", "OWN:mapped", "--weights", "OWN"], 4, "cannot read"),
        (["--module", "OWN:mapped", "--weights", "OTHER"], 4, "missing"),
        (["--module", "OWN:mapped", "--std", "0", "1", "1"], 2, "above 0"),
        (["--module", "OWN:mapped", "--size", "2"], 2, "does not run"),
        (["--module", "OWN:mapped", "--features", "nope"], 2, "no such tensor"),
        (["--module", "OWN:mapped", "--out", "nowhere/m.onnx"], 2, "no folder"),
        (["--module", "OWN:mapped", "--out", "m.pb"], 2, ".onnx"),
    ],
)
def test_errors_say_what_to_do(own, tmp_path, capsys, monkeypatch, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    torch.save({"x": torch.zeros(1)}, "other.pth")
    arguments = [a.replace("OWN", str(own)).replace("OTHER", "other.pth") for a in arguments]
    if "--out" not in arguments:
        arguments += ["--out", "m.onnx"]
    got, report, err = run(capsys, *arguments)
    assert (got, report) == (code, None), err
    assert words in err
    assert not (tmp_path / "m.onnx").exists()
