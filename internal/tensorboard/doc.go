// Package tensorboard writes event files, which TensorBoard shows.
//
// A folder has one event file of this package, events.out.tfevents.SECONDS.fx, where SECONDS is the Unix time of
// Start. If a Log continues where the file ends, Write appends to it, so that a running TensorBoard follows; otherwise
// Write replaces the file.
//
// The format: a file is a sequence of TFRecords (record.go), each of which holds an Event of
// tensorflow/core/util/event.proto (event.go). Settings go to the plugin "hparams", whose tab compares runs.
package tensorboard
