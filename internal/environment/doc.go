// Package environment describes what a command runs on. The options of every command that opens a network or decodes
// photos contain one Environment.
package environment
