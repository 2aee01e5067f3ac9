// Package report gathers trainings for the report that report/page draws, see Write.
//
// Runs are MODEL folders, of `fx fit-head` or `fx finetune`, and folders of experiments.
// Write collects their records, groups runs that differ only in their seed, evaluates each
// again on its val photos, and projects these photos' features to a plane. It writes one
// HTML file, and PNG pictures beside it.
//
// The report omits what is not available, with the reason: a run whose photos are missing
// is still in the table and in the curves.
package report
