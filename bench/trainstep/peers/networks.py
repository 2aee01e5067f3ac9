"""The networks as torchvision or timm builds them, with the tutorial's new classifier."""

import torch
import torchvision


def build(name, classes):
    torch.manual_seed(0)
    if name == "efficientnet_lite0":
        from efficientnet_lite_pytorch import EfficientNet

        return EfficientNet.from_name("efficientnet-lite0", num_classes=classes)
    if not hasattr(torchvision.models, name):
        import timm

        return timm.create_model(name, num_classes=classes)
    # Of inception_v3's constructor, the initial values of the weights alone take a minute.
    options = {"init_weights": False, "aux_logits": True} if name == "inception_v3" else {}
    return getattr(torchvision.models, name)(weights=None, num_classes=classes, **options)


class WithLoss(torch.nn.Module):
    """The network and a loss of its logits and labels; inception_v3's auxiliary loss counts 0.4, as in the tutorial."""

    def __init__(self, network, loss):
        super().__init__()
        self.network, self.loss = network, loss

    def forward(self, images, labels):
        outputs = self.network(images)
        if isinstance(outputs, tuple):
            logits, auxiliary = outputs
            return self.loss(logits, labels) + 0.4 * self.loss(auxiliary, labels)
        return self.loss(outputs, labels)
