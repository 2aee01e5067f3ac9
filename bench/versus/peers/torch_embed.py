"""Caches embeddings with PyTorch and torchvision, as a good script would."""

import loop
import networks

if __name__ == "__main__":
    o = loop.parser(__doc__).parse_args()
    loop.main(o, networks.cut(o.backbone, o.weights), networks.preprocessing(o.backbone))
