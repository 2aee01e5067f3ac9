"""Extracts features with PyTorch, for gpucheck's tables beside fx's.

    python torch_extract.py compare --device cuda --networks resnet18=resnet18.safetensors --photos list.txt --out DIR
    python torch_extract.py time --device cuda --networks ... --photos list.txt --out DIR --batches 64,256

Prints one JSON object a line: first what is installed, then one for each thing
done, or why it could not be.

compare writes the features of the photos, float32 in the order of the list, to
DIR/NETWORK-PRECISION-MODE.f32.

time tells photos a second. forward: batches of uint8 lie ready in page-locked memory, and
features come back to it; two batches are under way, so that one is copied, on a
stream of its own, while the other is computed. end to end: a DataLoader with a
worker for each CPU reads, decodes, resizes (Pillow, by torchvision) and crops;
features go to a file at the end. Normalisation is on the device in both.

Modes: eager (of both memory layouts the faster one counts), compile
(torch.compile, mode "reduce-overhead", channels last) and timm (its own network of
the same architecture, with the same weights, channels last, eager). float16 is
Module.half(); float32 may use TensorFloat-32 everywhere, as fx does.
"""

import argparse
import importlib.util
import json
import os
import time

import numpy as np
import torch
import torchvision
from PIL import Image

SIZE = {"inception_v3": 299}
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))  # what torchvision's inception_v3 turns its input to itself, and timm's takes
DTYPES = {"float32": torch.float32, "float16": torch.float16}


def read_safetensors(path):
    """The tensors of a .safetensors file (the package may not be there)."""
    with open(path, "rb") as f:
        header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
        data = f.read()
    header.pop("__metadata__", None)
    types = {"F32": torch.float32, "F16": torch.float16, "I64": torch.int64}

    def tensor(t):
        first, end = t["data_offsets"]
        return torch.frombuffer(bytearray(data[first:end]), dtype=types[t["dtype"]]).reshape(t["shape"])

    return {name: tensor(t) for name, t in header.items()}


def torchvision_features(name, state):
    """The network up to what its classifier takes."""
    options = {"inception_v3": {"init_weights": False, "transform_input": True}}.get(name, {})
    model = getattr(torchvision.models, name)(weights=None, **options)
    model.load_state_dict(state)
    nothing = torch.nn.Identity()
    if name.startswith("squeezenet"):
        return model.features, IMAGENET
    if name in ("alexnet", "vgg11_bn"):
        model.classifier[6] = nothing
    elif name == "densenet121":
        model.classifier = nothing
    else:
        model.fc = nothing
    return model, IMAGENET


def timm_features(name, state):
    import timm

    if name not in timm.list_models(name):
        raise LookupError(f"timm has no {name}")
    model = timm.create_model(name, pretrained=False, num_classes=0)
    if name == "vgg11_bn":
        for to, of, shape in (("fc1", "classifier.0", (4096, 512, 7, 7)), ("fc2", "classifier.3", (4096, 4096, 1, 1))):
            state[f"pre_logits.{to}.weight"] = state[f"{of}.weight"].reshape(shape)
            state[f"pre_logits.{to}.bias"] = state[f"{of}.bias"]
    model.load_state_dict({k: v for k, v in state.items() if not k.startswith(("fc.", "classifier.", "AuxLogits."))})
    return model, HALF if name == "inception_v3" else IMAGENET


def extractor(name, weights, precision, mode, layout, device):
    """A function from uint8 [n, size, size, 3] on the device to features [n, …] in float32."""
    model, (mean, std) = (timm_features if mode == "timm" else torchvision_features)(name, read_safetensors(weights))
    dtype = DTYPES[precision]
    model = model.eval().to(device, dtype, memory_format=layout)
    mean, std = (torch.tensor(v, device=device).view(1, 3, 1, 1) * 255 for v in (mean, std))

    def features(images):
        x = (images.permute(0, 3, 1, 2).float() - mean) / std
        return model(x.to(dtype, memory_format=layout)).flatten(1).float()

    return torch.compile(features, mode="reduce-overhead") if mode == "compile" else features


class Photos(torch.utils.data.Dataset):
    def __init__(self, paths, size):
        self.paths = paths
        t = torchvision.transforms
        self.transform = t.Compose([t.Resize(size), t.CenterCrop(size)])

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        with Image.open(self.paths[i]) as image:
            return torch.from_numpy(np.array(self.transform(image.convert("RGB"))))


def loader(paths, size, batch, device, workers):
    return torch.utils.data.DataLoader(Photos(paths, size), batch, num_workers=workers, pin_memory=device == "cuda", prefetch_factor=4 if workers else None)


def extract(step, batches, device, out):
    """Writes the features of all batches to a file."""
    kept = [step(images.to(device, non_blocking=True)).cpu() for images in batches]
    torch.cat(kept).numpy().tofile(out)


def end_to_end_rate(step, paths, size, batch, device, workers, out):
    step(torch.zeros(batch, size, size, 3, dtype=torch.uint8, device=device)).cpu()
    start = time.perf_counter()
    extract(step, loader(paths, size, batch, device, workers), device, out)
    rate = len(paths) / (time.perf_counter() - start)
    os.remove(out)
    return rate


def forward_rate(step, size, batch, device, seconds):
    cuda = device == "cuda"
    host = [torch.randint(0, 256, (batch, size, size, 3), dtype=torch.uint8, pin_memory=cuda) for _ in range(2)]
    length = step(host[0].to(device)).shape[1]
    run = two_under_way(step, host, [torch.empty(batch, length, pin_memory=cuda) for _ in range(2)]) if cuda else lambda i: step(host[i % 2])
    warm_up, count, start = 10 if cuda else 1, 0, 0.0
    while True:
        if count == warm_up:
            start = time.perf_counter()
        elapsed = time.perf_counter() - start
        if count > warm_up and elapsed > seconds:
            return (count - warm_up) * batch / elapsed
        run(count)
        count += 1


def two_under_way(step, host, results):
    """A function that begins batch i and waits for the end of batch i-1."""
    incoming, outgoing, done = torch.cuda.Stream(), torch.cuda.Stream(), [None, None]
    coming = {}

    def copy_in(i):
        with torch.cuda.stream(incoming):
            coming[i] = host[i % 2].to("cuda", non_blocking=True), incoming.record_event()

    def run(i):
        if i not in coming:
            copy_in(i)
        images, arrived = coming.pop(i)
        copy_in(i + 1)
        computing = torch.cuda.current_stream()
        computing.wait_event(arrived)
        images.record_stream(computing)
        features = step(images).clone()  # a CUDA graph writes to the same place in each replay
        with torch.cuda.stream(outgoing):
            outgoing.wait_event(computing.record_event())
            results[i % 2].copy_(features, non_blocking=True)
            features.record_stream(outgoing)
            done[i % 2] = outgoing.record_event()
        if done[(i + 1) % 2]:
            done[(i + 1) % 2].synchronize()

    return run


def layouts(mode, device):
    return [torch.contiguous_format, torch.channels_last] if mode == "eager" and device == "cuda" else [torch.channels_last]


def combinations(args):
    """Eager first, for it can always be had; the compiler takes the time that is left."""
    for mode in args.modes.split(","):
        for name, weights in (n.split("=", 1) for n in args.networks.split(",")):
            for precision in args.precisions.split(","):
                yield mode, name, weights, precision


def attempt(row, function):
    """Prints row with what function gives; what fails (no memory, no compiler) must not cost the rest."""
    try:
        row.update(function())
    except Exception as error:
        row["problem"] = str(error).splitlines()[0] if isinstance(error, LookupError) else f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
    print(json.dumps(row), flush=True)


def compare(args, paths):
    for mode, name, weights, precision in combinations(args):
        out = os.path.join(args.out, f"{name}-{precision}-{mode}.f32")

        def features():
            step = extractor(name, weights, precision, mode, torch.channels_last, args.device)
            extract(step, loader(paths, SIZE.get(name, 224), 32, args.device, 0), args.device, out)
            return {"file": out}

        attempt({"network": name, "precision": precision, "mode": mode}, features)


def measure(args, paths):
    end = time.monotonic() + args.budget
    out = os.path.join(args.out, "features.f32")
    for mode, name, weights, precision in combinations(args):
        size = SIZE.get(name, 224)
        for batch in map(int, args.batches.split(",")):
            row = {"network": name, "precision": precision, "mode": mode, "batch": batch}
            if time.monotonic() > end:
                print(json.dumps({**row, "what": "forward", "problem": "no time left"}), flush=True)
                continue

            def forward():
                best = 0.0
                for layout in layouts(mode, args.device):
                    best = max(best, forward_rate(extractor(name, weights, precision, mode, layout, args.device), size, batch, args.device, args.seconds))
                    if args.device == "cuda":
                        torch.cuda.empty_cache()
                return {"rate": best}

            def end_to_end():
                step = extractor(name, weights, precision, mode, torch.channels_last, args.device)
                return {"rate": end_to_end_rate(step, paths, size, batch, args.device, args.workers, out)}

            attempt({**row, "what": "forward"}, forward)
            if mode == "eager":
                attempt({**row, "what": "end to end"}, end_to_end)
            torch.compiler.reset()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("compare", "time"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--networks", required=True, help="NAME=FILE.safetensors,…, of torchvision's names")
    parser.add_argument("--photos", required=True, help="file with a path a line")
    parser.add_argument("--out", required=True, help="folder for features")
    parser.add_argument("--precisions", default="float32,float16")
    parser.add_argument("--modes", default="eager,timm,compile")
    parser.add_argument("--batches", default="64,256")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long each forward is timed")
    parser.add_argument("--budget", type=float, default=240.0, help="seconds after which nothing new is begun")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        print(json.dumps({"problem": f"torch {torch.__version__} sees no CUDA"}), flush=True)
        return
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    timm = None
    if importlib.util.find_spec("timm"):
        import timm
    print(json.dumps({"torch": torch.__version__, "torchvision": torchvision.__version__, "timm": timm and timm.__version__, "workers": args.workers}), flush=True)
    with open(args.photos) as f:
        paths = f.read().splitlines()
    with torch.inference_mode():
        (compare if args.what == "compare" else measure)(args, paths)


if __name__ == "__main__":
    main()
