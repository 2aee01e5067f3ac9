"""Measurements of one network's training by fx and by PyTorch."""

import torch

from batches import Batches, masks
from closeness import furthest, vanishing, worst
from decisions import recorded, replayed
from fxgraphs import Artifacts, GraphTraining, OnRuntime, described, exactly, noise_shapes, split_step
from training import Training

CLASSES, BATCH, LR, MOMENTUM = 2, 4, 0.001, 0.9
DISTURBANCE = 1e-15  # relative, of each weight: a few times float64's rounding
FAMILIES = ("squeezenet1_0", "resnet18", "alexnet", "vgg11_bn", "densenet121", "inception_v3")
DTYPES = {"torch": torch.float32, "truth": torch.float64}  # of PyTorch; fx is in float32
PAIRS = (("fx", "torch"), ("fx", "truth"), ("torch", "truth"))


class Family:
    """A network at its own input size, and batches of photos."""

    def __init__(self, fx, name, weights, photos, folder):
        fx("artifacts", "generate", "--backbone", name, "--weights", weights, "--classes", CLASSES,
           "--batch-size", BATCH, "--optimizer", "sgd", "--momentum", MOMENTUM, "--out", folder)  # fmt: skip
        self.name, self.artifacts = name, Artifacts(folder)
        self.batches = Batches(photos, self.artifacts.info["preprocess"]["crop"], BATCH)
        self.noise = noise_shapes(described(self.artifacts.model("step")))

    def batch(self, number):
        """Photos, labels and dropout masks."""
        return *self.batches(number), masks(number, self.noise)

    def pytorch(self, dtype, rounded=False):
        return Training(self.name, CLASSES, self.artifacts.state_dict(), LR, MOMENTUM, dtype, rounded)

    def graphs(self, engine, deciding=False):
        return GraphTraining(self.artifacts, engine, LR, deciding)

    def exact(self, steps):
        """fx's graphs in float64 against PyTorch in float64, with the same rounded constants. Each step starts from PyTorch's state."""
        ours, theirs = self.graphs(exactly, deciding=True), self.pytorch(torch.float64, rounded=True)
        batch = self.batch(0)
        first = ours.step(*batch)
        with recorded() as decided:
            losses = [(first, theirs.step(*batch))]
        apart = vanishing(theirs.gradients())
        found = {
            "decisions": decided.count(), "decided differently": ours.decisions.differ(decided), "vanishing": sorted(apart),
            "step": worst(ours.momenta(), theirs.gradients(), apart) | {"values": furthest(ours.values(), theirs.values())},
        }  # fmt: skip
        _, gradients, values = split_step(self.artifacts, exactly, LR, *batch)
        found["split"] = worst(gradients, theirs.gradients(), apart) | {"values": furthest(values, theirs.values())}
        del gradients, values
        found["later"] = []
        for number in range(1, steps):
            batch = self.batch(number)
            ours.adopt(theirs.values(), theirs.momenta())
            loss = ours.step(*batch)
            losses.append((loss, theirs.step(*batch)))
            found["later"].append(
                worst(ours.momenta(), theirs.momenta(), vanishing(theirs.momenta())) | {"values": furthest(ours.values(), theirs.values())}
            )
        return found | {"losses": losses}

    def free(self, steps):
        """Losses in float64 of independent steps: fx's, PyTorch's, and PyTorch's once more from weights off by DISTURBANCE."""
        losses = {}
        for side, start in (
            ("fx", lambda: self.graphs(exactly)),
            ("truth", lambda: self.pytorch(torch.float64, rounded=True)),
            ("disturbed", lambda: self.pytorch(torch.float64, rounded=True)),
        ):
            training = start()
            if side == "disturbed":
                training.disturb(DISTURBANCE)
            losses[side] = [training.step(*self.batch(number)) for number in range(steps)]
            del training
        return losses

    def single(self, number):
        """The first step on one batch in float32, by fx and by PyTorch, and the truth; compared pair by pair."""
        batch = self.batch(number)
        graphs = self.graphs(OnRuntime, deciding=True)
        losses, decisions = {"fx": graphs.step(*batch)}, {"fx": graphs.decisions}
        gradients = {"fx": graphs.momenta()}
        del graphs
        for side, dtype in DTYPES.items():
            training = self.pytorch(dtype)
            with recorded() as decisions[side]:
                losses[side] = training.step(*batch)
            gradients[side] = training.gradients()
        del training
        apart = vanishing(gradients["truth"])
        found = {
            f"{a}-{b}": worst(gradients[a], gradients[b], apart) | {
                "loss": abs(losses[a] - losses[b]) / losses[b],
                "decided differently": decisions[a].differ(decisions[b]),
            }
            for a, b in PAIRS
        }  # fmt: skip
        del gradients["truth"]
        for a, b in PAIRS:
            found[f"{a}-{b}"]["alike"] = worst(gradients[a], self.deciding(decisions[a], DTYPES[b], batch), apart)
        half = self.deciding(decisions["fx"], DTYPES["truth"], batch, pools=False)
        return found | {"only Relus alike": worst(gradients["fx"], half, apart)}

    def deciding(self, decisions, dtype, batch, pools=True):
        """PyTorch's gradients with the decisions of another computation; its own for max pooling if pools is false."""
        training = self.pytorch(dtype)
        with replayed(decisions, pools):
            training.step(*batch)
        return training.gradients()

    def curves(self, steps):
        """The losses of steps, each on the next batch. "alike": PyTorch in float32, deciding in each step as fx did."""
        losses = {"fx": [], "alike": []}
        ours, deciding = self.graphs(OnRuntime, deciding=True), self.pytorch(torch.float32)
        for number in range(steps):
            batch = self.batch(number)
            losses["fx"].append(ours.step(*batch))
            with replayed(ours.decisions):
                losses["alike"].append(deciding.step(*batch))
        del ours, deciding
        for side, dtype in DTYPES.items():
            training = self.pytorch(dtype)
            losses[side] = [training.step(*self.batch(number)) for number in range(steps)]
            del training
        return losses
