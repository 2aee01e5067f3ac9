// Package trainlog writes how a training went, epoch by epoch, where people look:
// metrics.csv for a spreadsheet or pandas, and an event file for TensorBoard.
//
//	err := trainlog.Write("run", trainlog.Log{Start: start, Settings: map[string]any{"lr": 0.001}, Epochs: epochs})
//
// Write is called with all epochs so far whenever there is a new one. In TensorBoard
// a folder of runs shows as one curve each.
package trainlog
