// Package report draws a training as PNG pictures and writes it as CSV. The common case:
//
//	err := report.Picture("out/report.png", report.Report{
//		Title: "squeezenet1_1 on hymenoptera_data", Epochs: epochs, BestEpoch: 7,
//		Confusion: confusion, Classes: []string{"ants", "bees"},
//	})
//
// Picture shows the curves of accuracy and loss beside the confusion matrix;
// Curves and Confusion show one of them alone; CSV writes the epochs as a table.
// Every file appears whole or not at all (internal/durable). The same report
// gives the same bytes.
//
// Colours tell train from val for every kind of colour vision (Okabe and Ito,
// "Color Universal Design"), and the fonts come with the program. They hold
// Latin, Greek and Cyrillic letters; other letters of class names show as boxes.
package report
