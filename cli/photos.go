package cli

import (
	"fmt"
	"io"

	urfave "github.com/urfave/cli/v2"

	"fx/extract"
	"fx/internal/dataset"
	"fx/internal/printable"
)

// photoFlags choose which files of a folder are photos, for every command that reads folders.
func photoFlags() []urfave.Flag {
	return []urfave.Flag{
		&urfave.StringSliceFlag{Name: "extensions", Usage: "also read files with these extensions, such as .gif"},
		&urfave.BoolFlag{Name: "no-follow-links", Usage: "ignore links in the folder"},
	}
}

// maxBadFlag is for commands that compute features of many photos.
func maxBadFlag() urfave.Flag {
	return &urfave.GenericFlag{Name: "max-bad", Value: new(extract.MaxBad),
		Usage:       "end with an error if more photos are rejected: `N`, or a share of the photos such as 0.5%",
		DefaultText: "no limit"}
}

// maxBad reads maxBadFlag.
func maxBad(c *urfave.Context) extract.MaxBad {
	limit, _ := c.Generic("max-bad").(*extract.MaxBad)
	return *limit
}

// photoOptions reads photoFlags.
func photoOptions(c *urfave.Context) dataset.Options {
	return dataset.Options{Extensions: c.StringSlice("extensions"), NoFollowLinks: c.Bool("no-follow-links"),
		Unlabelled: c.Bool("unlabelled")}
}

// unlabelledFlag is for commands that need no classes.
func unlabelledFlag() urfave.Flag {
	return &urfave.BoolFlag{Name: "unlabelled", Usage: "take all photos at any depth, without classes and splits"}
}

// printLeftOut names the photos that can't be used and the files that are none.
func printLeftOut(w io.Writer, prefix string, rejected, skipped []extract.BadPhoto) {
	for _, r := range rejected {
		fmt.Fprintf(w, "%srejected  %s: %s\n", prefix, printable.Name(r.Path), printable.Name(r.Reason))
	}
	for _, r := range skipped {
		fmt.Fprintf(w, "%sskipped   %s: %s\n", prefix, printable.Name(r.Path), printable.Name(r.Reason))
	}
}
