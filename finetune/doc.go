// Package finetune trains a network on photos, on any current ONNX Runtime:
//
//	o := finetune.Defaults() // of PyTorch's tutorial
//	o.Network.Backbone, o.Data, o.Out = "resnet18", "hymenoptera_data", "run"
//	result, err := finetune.Run(ctx, o, progress.Discard)
//
// Network.Backbone may also be an ONNX file of the user's own. The RUN folder is a
// MODEL afterwards, for packages classify and modeldir, and holds besides:
//
//	run.json                   settings, what learned, versions, the result
//	metrics.csv                loss, accuracy and speed of each epoch
//	events.out.tfevents.…      the same for TensorBoard
//	checkpoint/best, last      artifacts.Checkpoint: model.safetensors, for
//	                           torchvision's load_state_dict(strict=True);
//	                           training.state, the optimizer's memory (safetensors
//	                           too); state.json, where the run stood
//	network.onnx               a network of the user's own, without weights: those
//	                           are in checkpoint/best
//
// # How a run works
//
// Packages autodiff and artifacts write the training step as one ONNX graph. Its
// state lies on the device, and nothing is copied: parameters, statistics and
// momenta in two sets, of which a step reads one and writes the other, then they
// swap; or on the CPU in one that a step writes over. A last batch that is short
// has a graph of its own. Meanwhile workers decode and augment the batches to come,
// draw dropout's random numbers, and copy both to the device.
//
// On CUDA each step is recorded as a CUDA graph when it first runs, and replayed
// from then on. What keeps it from that, and which nodes run on the CPU, the
// notes tell. Stepper does the same steps one at a time, for measurements.
//
// Options.Precision computes products in bfloat16 or float16 and all else in
// float32, see package autodiff; float16's loss scale is part of the state.
//
// # Why a resumed run ends in the same bits
//
// Every random number and the order of the photos depend on the seed and the
// position alone (internal/random). A checkpoint is a folder that takes the old
// one's place in one step, and holds the state, the position and the sums of
// the epoch under way. What else the numbers depend on, run.json records, and
// Run refuses to go on where any of it has changed, but for the number of CPUs:
// the threads that compute a step together stay as many as they were.
package finetune
