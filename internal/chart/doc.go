// Package chart draws: curves over epochs, maps of photos, confusion matrices and learning-rate
// range tests. The common case, a training as one PNG picture:
//
//	err := chart.WriteTraining("out/report.png", chart.Training{
//		Title: "squeezenet1_1 on hymenoptera_data", Epochs: epochs, BestEpoch: 7,
//		Confusion: confusion, Classes: []string{"ants", "bees"},
//	})
//
// A Plot describes curves and is drawn by gonum's plot, on PNG by WritePlots and as the SVG of a
// page by Plot.SVG. The SVG's colours are variables of CSS (see PaletteCSS), so that it follows
// the reader's theme; a Map is drawn as SVG alone.
//
// Every file appears whole or not at all (internal/durable). The same description gives the same
// bytes.
//
// Colours tell train from val for every kind of colour vision (Okabe and Ito,
// "Color Universal Design"), and the fonts of PNG come with the program. They hold
// Latin, Greek and Cyrillic letters; other letters of class names show as boxes.
package chart
