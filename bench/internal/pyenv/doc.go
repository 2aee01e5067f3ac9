// Package pyenv installs the Python packages of a benchmark's peers into a virtual
// environment, once.
package pyenv
