// Package markdown writes the tables of measurements for all programs of bench.
package markdown
