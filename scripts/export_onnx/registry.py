"""backbones/registry.json: reads and writes it, and fills in what a network's own package says.

By hand a row has name, title, family, paper, source, and for each set of weights a tag
and where it is from; where they differ from the rule also options of the constructor,
pool (what the authors' linear head takes), initial (its rule in backbones/initial.go), fixed_size
(the traced graph computes something else, or nothing, for photos of another size: windows, rotary embeddings). `export.py skeletons NAME` adds the rest, which is never typed:
features, head, parameters, and each weights' file, preprocessing and accuracy.
"""

import json
import pathlib

import torch
import torchvision

import head as heads
import preprocessing
from failure import Failure

PATH = pathlib.Path(__file__).parents[2] / "backbones" / "registry.json"


def read():
    return json.loads(PATH.read_text())


def row(name):
    """The row of a network, None if the table has none."""
    return next((r for r in read()["networks"] if r["name"] == name), None)


def write(table):
    """One line for each field, and one for each set of weights."""
    PATH.write_text(dump(table))


def dump(table):
    compact = lambda value: json.dumps(value, ensure_ascii=False)
    lines = ["{", ' "licences": {']
    lines.append(",\n".join(f"  {compact(k)}: {compact(v)}" for k, v in table["licences"].items()))
    lines += [" },", ' "networks": [']
    networks = []
    for network in table["networks"]:
        fields = [f"   {compact(k)}: {compact(v)}" for k, v in network.items() if k != "weights"]
        weights = ",\n".join("    " + compact(w) for w in network["weights"])
        fields.append(f'   "weights": [\n{weights}\n   ]')
        networks.append("  {\n" + ",\n".join(fields) + "\n  }")
    lines.append(",\n".join(networks))
    lines += [" ]", "}", ""]
    return "\n".join(lines)


ORDER = (
    "name", "title", "family", "aliases", "paper", "source", "options", "outputs", "initial", "cpu_batch",
    "fixed_size", "parameters", "features", "tokens", "pool", "head", "auxiliary", "ignored", "weights",
)  # fmt: skip


def fill(network, model, inference, training):
    """Return the row with all that the module and its graphs say."""
    filled = dict(network)
    filled["parameters"] = sum(p.numel() for p in model.parameters())
    filled["weights"] = [weights(network, w) for w in network["weights"]]
    if tokens := tokens_of(model, inference.graph):
        filled["tokens"] = tokens
        resample = network.get("tokens", {}).get("positions", {}).get("resample")
        if resample:  # by hand: how its authors adapt the table to other sizes
            tokens["positions"]["resample"] = resample
    if has_head(network):
        if network.get("head", {}).get("kind") != "conv1x1":
            filled |= classifier(network["name"], inference, training)
    else:
        [output] = inference.graph.output
        filled["features"] = {"tensor": output.name, "shape": [model.num_features]}
    return {key: filled[key] for key in ORDER if key in filled}


def has_head(network):
    """Whether the package's network ends in a classifier, or in CLIP's projection."""
    return network.get("options", {}).get("num_classes") != 0


def outputs(network):
    return network.get("outputs", ["logits"] if has_head(network) else ["pooled"])


def classifier(name, inference, training):
    """Features and head of a graph that ends in a linear classifier."""
    found = heads.find(inference.graph)
    if found is None or found.kind != "linear":
        raise Failure(f"{name} does not end in a linear classifier: give its row features and head")
    head = {"kind": "linear", "in": found.channels, "weight": found.weight, "bias": found.bias}
    if dropout := heads.dropout(training.graph, found):
        head["dropout"] = dropout
    return {"features": {"tensor": found.features, "shape": [found.channels]}, "head": head | {"classes": found.classes}}


def tokens_of(model, graph):
    """The tokens of a transformer after its last normalisation, None for other networks."""
    scale, prefix, has_class, table, own = None, 1, True, "encoder.pos_embedding", "cls"
    if isinstance(model, torchvision.models.VisionTransformer):
        scale, patch, width = "encoder.ln.weight", model.patch_size, model.hidden_dim
    elif hasattr(model, "num_prefix_tokens") and isinstance(getattr(model, "norm", None), torch.nn.LayerNorm):
        scale, patch, width = "norm.weight", model.patch_embed.patch_size[0], model.embed_dim
        prefix, has_class, table = model.num_prefix_tokens, model.cls_token is not None, "pos_embed"
        own = {"token": "cls", "avg": "mean", "map": "map"}[model.global_pool]
    if scale is None:
        return None
    [node] = [n for n in graph.node if n.op_type == "LayerNormalization" and n.input[1] == scale]
    tokens = {"tensor": node.output[0], "width": width, "prefix": prefix, "class": has_class, "own": own, "patch": patch}
    position = next((t for t in graph.initializer if t.name == table), None)
    if position is not None:
        side = int((position.dims[1]) ** 0.5)  # without the prefix where that is a square plus some
        tokens["positions"] = {"table": table, "prefix": position.dims[1] - side * side}
    return tokens


def weights(network, given):
    """One set of weights, as torchvision or timm describes it."""
    filled = dict(given)
    if enum := given.get("torchvision"):
        entry = torchvision.models.get_model_weights(network["source"].partition(":")[2])[enum]
        filled["file"] = entry.url.rpartition("/")[2]
        filled.setdefault("preprocess", preprocessing.of_torchvision(entry))
        filled.setdefault("accuracy", {"top1": entry.meta["_metrics"]["ImageNet-1K"]["acc@1"], "source": "torchvision"})
        filled.setdefault("licence", "torchvision")
    if hub := given.get("hub"):
        from timm.models import get_pretrained_cfg

        config = get_pretrained_cfg(given.get("timm", hub.partition("/")[2]))
        if config is None:
            raise Failure(f"timm has no weights {hub}")
        filled.setdefault("preprocess", of_config(config))
        filled.setdefault("licence", config.license)
    if filled["preprocess"].get("mode") == "crop":  # fx's default
        filled["preprocess"] = {key: value for key, value in filled["preprocess"].items() if key != "mode"}
    return filled


def of_config(config):
    """preprocess.Spec of timm's description of weights: resize is floor(size / crop_pct)."""
    _, size, _ = config.input_size
    spec = preprocessing.spec(int(size / config.crop_pct), size, config.interpolation, config.mean, config.std)
    if config.crop_mode == "squash":
        spec["mode"] = "squash"
    return spec

