// Package tensorboard writes event files, which TensorBoard shows:
//
//	err := tensorboard.Write("run", tensorboard.Log{
//		Start: start, Settings: map[string]any{"lr": 0.001},
//		Points: []tensorboard.Point{{Step: 1, Time: start.Add(time.Minute), Scalars: []tensorboard.Scalar{{Tag: "loss/train", Value: 0.4}}}},
//	})
//
// A folder has one event file of this package, events.out.tfevents.SECONDS.fx,
// SECONDS being those of Start since 1970. Write makes it say what the Log says: a
// Log that goes on where the file ends is appended, so that a TensorBoard that
// is watching goes on too; any other takes the file's place.
//
// The format: a file is a sequence of TFRecords (record.go), each of which holds an
// Event of tensorflow/core/util/event.proto (event.go). Settings are those of the
// plugin "hparams", whose tab compares runs.
package tensorboard
