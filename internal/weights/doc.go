// Package weights reads and writes the parameters of a network.
//
// Read returns a StateDict and the file's format. StateDict.Get returns a tensor, Tensor.Float32s its values.
//
// [Read] accepts safetensors files and the files of torch.save, in its zip format and in the format from before
// PyTorch 1.6. It also accepts the index of safetensors shards, model.safetensors.index.json. The content of a file
// decides its format, never its name. [WriteSafetensors] writes the same bytes for the same parameters.
//
// Files are not trusted. Every size is checked against the file before anything is allocated. The unpickler supports
// tensors, dicts, tuples, lists, numbers, strings, None and bools; it refuses any other Python object and names it in
// the error. It never runs code from a file.
package weights
