// Package trainlog writes the epochs of a training to metrics.csv, for a spreadsheet or pandas, and to an event file
// for TensorBoard.
//
// Write is called after each epoch, with all epochs so far. TensorBoard shows a folder of runs as one curve per run.
package trainlog
