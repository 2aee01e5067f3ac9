package experiments

import "fx/internal/modeldir"

// notOwn is what is said of a run's folder whose MODEL is not recorded.
const notOwn = "does not hold the model that this experiment trained there"

// recorded tells whether the MODEL in a run's folder, whose SHA-256 is sum, is the run's own:
// the one that the experiment recorded or, where a kill came before that and in experiments
// of an older fx, one of the run's mode and seed.
func (m *matrix) recorded(i int, model modeldir.Model, sum string) bool {
	run := m.record.Runs[i]
	if earlier := m.earlier[run.Name]; earlier.Key == run.Key && earlier.ModelSHA256 != "" {
		return earlier.ModelSHA256 == sum
	}
	return model.Mode == "" || model.Mode == run.Mode && model.Seed == run.Seed // an older fx wrote no mode
}
