// Package report gathers trainings for the report that report/page draws.
// The common case:
//
//	made, err := report.Write(ctx, report.Options{Runs: []string{"model", "run"}}, watch)
//
// Runs are MODEL folders, of `fx fit-head` or `fx finetune`, and folders of
// experiments. Write collects what they say of themselves, groups those that
// differ by their seed alone, evaluates each again by the photos that it was
// evaluated on in training, and lays these photos' features into a plane. Write
// does so and writes one HTML file and PNG pictures beside it.
//
// What can't be had is left out with its reason: a run whose photos are gone
// is still in the table and in the curves.
package report
