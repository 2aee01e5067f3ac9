// Package finetune trains a network on photos, on any current ONNX Runtime. Defaults
// returns the settings of PyTorch's tutorial, and Run trains with them.
//
// Network.Backbone names a registered network or the user's own ONNX file. The finished
// RUN folder is a MODEL, which packages classify and modeldir read. It also contains:
//
//	run.json                   settings, trained parameters, versions, the result
//	metrics.csv                loss, accuracy and speed of each epoch
//	events.out.tfevents.…      the same for TensorBoard
//	checkpoint/best, last      artifacts.Checkpoint: model.safetensors, for
//	                           torchvision's load_state_dict(strict=True);
//	                           training.state, the optimizer state (safetensors
//	                           too); state.json, the position of the run
//	network.onnx               the user's own network, without weights: those
//	                           are in checkpoint/best
//
// # How a run works
//
// Packages autodiff and artifacts write the training step as one ONNX graph. Its
// state stays on the device: two sets of parameters, statistics and momenta. A step
// reads one set and writes the other, then the two swap. On the CPU there is one
// set, which a step overwrites. A shorter last batch has its own graph. Meanwhile
// workers decode and augment the next batches, draw dropout's random numbers, and
// copy both to the device.
//
// On CUDA each step is recorded as a CUDA graph when it first runs, and replayed
// from then on. Notes name what prevents this and which nodes run on the CPU.
// Trainer runs the same steps one at a time, for measurements.
//
// With Options.Precision, products are computed in bfloat16 or float16 and
// everything else in float32, see package autodiff; float16's loss scale is part
// of the state.
//
// # Why a resumed run ends in the same bits
//
// Every random number and the order of the photos depend only on the seed and the
// position (internal/random). A checkpoint is a folder that replaces the previous
// one atomically. It contains the state, the position and the running sums of the
// epoch. run.json records everything else that the numbers depend on, and Run
// refuses to resume if any of it has changed. The number of CPUs may change,
// because a resumed run keeps its number of threads.
package finetune
