// Package page draws the report: trainings side by side and one by one, as one HTML file that
// needs no network, and PNG pictures beside it.
//
// A Page is plain data that package report gathers: this package knows neither MODELs nor
// experiments, and computes nothing that is not about how it looks. Tables and charts are there
// without JavaScript; page.js shows values where the reader points, and one run at a time.
//
// Curves are described once, as chart.Plot, and drawn into the page and into the pictures.
package page
