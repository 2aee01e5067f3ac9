// Package classify makes and uses a MODEL: a frozen backbone with a trained head.
//
//	result, err := classify.Fit(ctx, classify.FitOptions{Settings: training.Defaults(), Features: "features", Out: "model"}, nil, report)
//	report, err := classify.EvaluateStore(ctx, "model", "features", "")
//
// Fit trains a head on a store's embeddings and writes the MODEL folder.
// EvaluateStore and EvaluateData evaluate one, Predict applies it to photos, and
// Export writes it as a single ONNX file for any ONNX Runtime. Quickstart goes
// the whole way from a folder of photos and says in plain words how good the
// result is.
package classify
