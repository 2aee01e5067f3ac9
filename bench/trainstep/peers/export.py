"""Writes a torchvision network with its loss as an ONNX file, for the peers that train ONNX files.

training is for onnxruntime-training: batch statistics, dropout, integer labels.
plain is for onnxsim, which has no derivative of those: batch normalization and
dropout as in inference, the loss of one-hot labels in elementary operators.
"""

import warnings

import onnx
import torch

import measurement
import networks


def plain_loss(logits, one_hot):
    return -(torch.log(torch.softmax(logits, 1)) * one_hot).sum(1).mean(0)


def tell_apart(model):
    """Make parameters differ: the exporter merges those of equal values, such as all scales of batch normalization."""
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p), alpha=1e-4)


def simplify(graph):
    """Write Flatten as Reshape and Constant as an initializer, for onnxsim has no rule for either."""
    nodes = []
    for node in graph.node:
        if node.op_type == "Constant":
            value = node.attribute[0].t
            value.name = node.output[0]
            graph.initializer.append(value)
            continue
        if node.op_type == "Flatten":
            shape = onnx.helper.make_tensor(node.output[0] + "/shape", onnx.TensorProto.INT64, [2], [0, -1])
            graph.initializer.append(shape)
            node = onnx.helper.make_node("Reshape", [node.input[0], shape.name], node.output)
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)


def main():
    parser = measurement.parser(__doc__)
    parser.add_argument("--form", choices=["training", "plain"], required=True)
    parser.add_argument("--out", required=True)
    o = parser.parse_args()
    warnings.filterwarnings("ignore")
    training = o.form == "training"
    model = networks.WithLoss(networks.build(o.backbone, o.classes), torch.nn.functional.cross_entropy if training else plain_loss)
    model.train(training)
    tell_apart(model)
    size = measurement.size(o)
    labels = torch.arange(o.batch_size) % o.classes
    if not training:
        labels = torch.nn.functional.one_hot(labels, o.classes).float()
    torch.onnx.export(
        model, (torch.randn(o.batch_size, 3, size, size), labels), o.out, dynamo=False, opset_version=17, do_constant_folding=False,
        training=torch.onnx.TrainingMode.TRAINING if training else torch.onnx.TrainingMode.PRESERVE,
        input_names=["images", "labels"], output_names=["loss"],
    )
    written = onnx.load(o.out)
    if not training:
        simplify(written.graph)
        written = onnx.shape_inference.infer_shapes(written)
    onnx.checker.check_model(written)
    there = {i.name for i in written.graph.initializer}  # inception_v3's auxiliary head is not, as in inference
    learned = [name for name, _ in model.named_parameters() if name in there]
    onnx.helper.set_model_props(written, {"parameters": "\n".join(learned)})
    onnx.save(written, o.out)


if __name__ == "__main__":
    main()
