"""Times PyTorch's training step, for gpucheck's table beside fx's.

    python torch_step.py --device cuda --networks resnet18 --batches 8,64 --precisions float32,bfloat16 --modes eager,compile

Prints one JSON object a line: first what is installed, then one for each
combination, with the median of a step in ms, or why there is none. A step is what
fx's is: photos, uint8 and on the device already, are normalised, forward,
cross entropy (inception_v3: with its auxiliary one, times 0.4), backward, SGD with
momentum, and the loss is read. Eager is timed in both memory layouts and the
faster one counts; compile is torch.compile(mode="reduce-overhead"), channels last.
float32 may use TensorFloat-32 in convolutions and matrix products, as fx does.
"""

import argparse
import json
import statistics
import time

import torch
import torchvision

SIZE = {"inception_v3": 299}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def training_step(network, batch, precision, layout, compiled, device):
    """A function that does one step and returns the loss as a number."""
    torch.manual_seed(0)
    options = {"init_weights": False} if network == "inception_v3" else {}
    model = getattr(torchvision.models, network)(weights=None, num_classes=2, **options).to(device, memory_format=layout).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, fused=device == "cuda")
    size = SIZE.get(network, 224)
    images = torch.randint(0, 256, (batch, size, size, 3), dtype=torch.uint8, device=device)
    labels = torch.arange(batch, device=device) % 2
    mean, std = (torch.tensor(v, device=device).view(1, 3, 1, 1) * 255 for v in (MEAN, STD))
    loss_of = torch.nn.functional.cross_entropy
    low = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(precision)

    def forward(images, labels):
        x = ((images.permute(0, 3, 1, 2).float() - mean) / std).contiguous(memory_format=layout)
        with torch.autocast(device, dtype=low, enabled=low is not None):
            out = model(x)
            if isinstance(out, tuple):
                return loss_of(out[0], labels) + 0.4 * loss_of(out[1], labels)
            return loss_of(out, labels)

    if compiled:
        forward = torch.compile(forward, mode="reduce-overhead")

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = forward(images, labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def median_ms(step, seconds, warm_up):
    for _ in range(warm_up):
        step()
    times, start = [], time.perf_counter()
    while len(times) < 5 or time.perf_counter() - start < seconds:
        before = time.perf_counter()
        step()
        times.append(1000 * (time.perf_counter() - before))
    return statistics.median(times)


def measure(network, batch, precision, mode, device, seconds):
    layouts = [torch.channels_last] if mode == "compile" else [torch.contiguous_format, torch.channels_last]
    best = None
    for layout in layouts:
        ms = median_ms(training_step(network, batch, precision, layout, mode == "compile", device), seconds, 10 if device == "cuda" else 1)
        best = ms if best is None else min(best, ms)
        if device == "cuda":
            torch.cuda.empty_cache()
    return best


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--networks", required=True)
    parser.add_argument("--batches", default="8,64")
    parser.add_argument("--precisions", default="float32,bfloat16")
    parser.add_argument("--modes", default="eager,compile")
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.device == "cuda" and not torch.cuda.is_available():
        print(json.dumps({"problem": f"torch {torch.__version__} sees no CUDA"}), flush=True)
        return
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    name = torch.cuda.get_device_name() if args.device == "cuda" else "cpu"
    print(json.dumps({"torch": torch.__version__, "torchvision": torchvision.__version__, "device": name}), flush=True)
    for network in args.networks.split(","):
        for batch in map(int, args.batches.split(",")):
            for precision in args.precisions.split(","):
                for mode in args.modes.split(","):
                    row = {"network": network, "batch": batch, "precision": precision, "mode": mode}
                    try:
                        row["ms"] = measure(network, batch, precision, mode, args.device, args.seconds)
                    except Exception as error:  # one that fails (no memory, no compiler) must not cost the others
                        row["problem"] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
                    torch.compiler.reset()
                    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
