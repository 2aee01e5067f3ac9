//go:build cgo

// Command fx turns a folder of photos into a classifier. See README.md.
package main

import (
	"os"

	"fx/cli"
)

func main() { os.Exit(cli.Main(os.Args)) }
