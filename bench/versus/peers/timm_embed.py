"""Caches embeddings with timm: its network without a head, its own preprocessing."""

import timm
import torch
from safetensors.torch import load_file

import loop


def build(name, weights):
    model = timm.create_model(name, pretrained=False, num_classes=0)
    state = load_file(weights)
    if name == "vgg11_bn":  # timm has the first two dense layers as convolutions
        shape = (4096, 512, 7, 7), (4096, 4096, 1, 1)
        for i, layer in enumerate(("0", "3")):
            state[f"pre_logits.fc{i + 1}.weight"] = state.pop(f"classifier.{layer}.weight").reshape(shape[i])
            state[f"pre_logits.fc{i + 1}.bias"] = state.pop(f"classifier.{layer}.bias")
    wanted = model.state_dict()
    counters = {k: v for k, v in wanted.items() if k.endswith("num_batches_tracked")}
    model.load_state_dict({k: state.get(k, counters.get(k)) for k in wanted}, strict=True)
    return model.eval()


def main():
    o = loop.parser(__doc__).parse_args()
    with torch.no_grad():
        model = build(o.backbone, o.weights)
    config = timm.data.resolve_data_config(model.pretrained_cfg, model=model)
    loop.main(o, model, timm.data.create_transform(**config, is_training=False))


if __name__ == "__main__":
    main()
