// Package chart draws: curves over epochs, maps of photos, confusion matrices and learning-rate range tests. The
// common case is WriteTraining, which draws a training as one PNG picture.
//
// A Plot describes curves; gonum's plot draws it, as a PNG file in WritePlots and as a page's SVG in Plot.SVG. The
// SVG's colours are variables of CSS (see PaletteCSS), so that it follows the reader's theme; a Map is drawn as SVG
// alone.
//
// Every file appears whole or not at all (internal/durable). The same description gives the same
// bytes.
//
// The colours of train and val differ for every kind of colour vision (Okabe and Ito, "Color Universal Design"). The
// fonts of PNG are embedded. They have Latin, Greek and Cyrillic letters; other letters of class names show as boxes.
package chart
