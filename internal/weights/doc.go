// Package weights reads and writes the parameters of a network.
//
// The common case:
//
//	state, info, err := weights.Read("resnet18-f37072fd.pth")
//	fc, ok := state.Get("fc.weight")
//	values, err := fc.Float32s()
//
// [Read] takes safetensors files and what torch.save writes, in its zip format
// and in the format from before PyTorch 1.6. The content of a file decides which
// it is, never its name. [WriteSafetensors] writes the same bytes for the same
// parameters.
//
// A file is a stranger's: every size in it is checked against the file before
// anything is allocated, and a pickle is read by an unpickler that knows tensors,
// dicts, tuples, lists, numbers, strings, None and bools, and refuses, by name,
// any other Python object that the pickle asks for. Nothing in it is ever run.
package weights
