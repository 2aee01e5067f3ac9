// Package modeldir reads and writes a MODEL: a folder that holds a trained
// classifier.
//
//	MODEL/
//	  model.json         what it is: backbone, hashes, preprocessing, classes, versions, metrics
//	  head.safetensors   the head's weight and bias under torchvision's parameter names
//
// Save makes the folder appear whole or not at all; Load refuses a folder of a
// format version that this build does not know. The backbone itself is not in the
// folder: model.json names it, with the SHA-256 that its weights must have.
package modeldir
