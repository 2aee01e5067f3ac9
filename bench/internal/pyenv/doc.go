// Package pyenv installs the Python packages of the peers that a benchmark
// measures fx beside, into a virtual environment that is made once.
package pyenv
