// Package markdown writes the tables of measurements, the one way for all programs of bench:
//
//	text := markdown.Table([]string{"network", "fx, ms"}, [][]string{{"resnet18", "9.40"}})
package markdown
