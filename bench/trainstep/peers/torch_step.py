"""Measures PyTorch's training step, that of the tutorial "Finetuning Torchvision Models"."""

import torch
import torchvision

import measurement
import networks


def main():
    parser = measurement.parser(__doc__)
    parser.add_argument("--contiguous", action="store_true", help="keep PyTorch's usual memory format instead of channels_last")
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    layout = torch.contiguous_format if o.contiguous else torch.channels_last
    model = networks.build(o.backbone, o.classes).train().to(memory_format=layout)
    with_loss = networks.WithLoss(model, torch.nn.functional.cross_entropy)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    size = measurement.size(o)
    images = torch.randn(o.batch_size, 3, size, size).contiguous(memory_format=layout)
    labels = torch.arange(o.batch_size) % o.classes

    def step():
        optimizer.zero_grad()
        loss = with_loss(images, labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    measurement.run(o, step, {"torch": torch.__version__, "torchvision": torchvision.__version__})


if __name__ == "__main__":
    main()
