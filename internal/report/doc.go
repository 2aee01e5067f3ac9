// Package report draws trainings: one as PNG pictures and CSV, or many side by
// side as one HTML page with pictures beside it. The common case of one:
//
//	err := report.Picture("out/report.png", report.Report{
//		Title: "squeezenet1_1 on hymenoptera_data", Epochs: epochs, BestEpoch: 7,
//		Confusion: confusion, Classes: []string{"ants", "bees"},
//	})
//
// Picture shows the curves of accuracy and loss beside the confusion matrix;
// Curves and Confusion show one of them alone; CSV writes the epochs as a table.
//
// HTML writes a Page, which package fx/report gathers from runs, as one file
// that needs no network: tables that are there without JavaScript, diagrams that
// page/page.js draws as SVG from a document in the page, and every thumbnail
// once. AccuracyByEpoch, LossByEpoch and Table draw the same as pictures.
//
// Every file appears whole or not at all (internal/durable). The same report
// gives the same bytes.
//
// Colours tell train from val for every kind of colour vision (Okabe and Ito,
// "Color Universal Design"), and the fonts come with the program. They hold
// Latin, Greek and Cyrillic letters; other letters of class names show as boxes.
package report
