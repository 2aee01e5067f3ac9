// Package paths returns fx's cache folder and makes paths absolute.
package paths
