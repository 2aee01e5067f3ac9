package experiments

import "fx/internal/modeldir"

// notOwn describes a run's folder whose MODEL is not the recorded one.
const notOwn = "does not hold the model that this experiment trained there"

// recorded reports whether the MODEL in a run's folder, whose SHA-256 is sum, is the one that the experiment recorded.
// If none is recorded, because of a kill or an older fx, it compares mode and seed.
func (m *matrix) recorded(i int, model modeldir.Model, sum string) bool {
	run := m.record.Runs[i]
	if earlier := m.earlier[run.Name]; earlier.Key == run.Key && earlier.ModelSHA256 != "" {
		return earlier.ModelSHA256 == sum
	}
	return model.Mode == "" || model.Mode == run.Mode && model.Seed == run.Seed // an older fx wrote no mode
}
