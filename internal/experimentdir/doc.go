// Package experimentdir reads and writes the folder of an experiment: many
// trainings on one data set, of which each has a MODEL folder inside.
//
//	EXPERIMENT/
//	  experiment.json   what was asked, and each run: where its MODEL lies, how far it is
//	  features/         embedding stores that runs share
//	  runs/NAME-KEY/    the MODEL of a run, KEY being a hash of all that its numbers depend on
//
// Save writes experiment.json whole; Load refuses a format version that this
// build does not know.
package experimentdir
