package main

import (
	"fmt"
	"os"
	"strings"

	"fx/internal/durable"
	"fx/internal/fail"
)

// writePage writes all measurements to the page: the text of a section is between the lines <!-- NAME --> and
// <!-- /NAME -->. The rest of the page, and sections without measurements, do not change.
func writePage(o options, log func(string, ...any)) error {
	text, err := os.ReadFile(o.page)
	if err != nil {
		const hint = "Run it in the root of the repository, or name a page with --page."
		return fail.Wrap(fail.Usage, err, hint, "the page")
	}
	page, measured := string(text), 0
	for _, s := range sections {
		all, err := readOutcomes(o.raw(), s.name)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			continue
		}
		measured++
		if page, err = fill(page, s.name, sectionText(s, all)); err != nil {
			return fail.Wrap(fail.Usage, err, "Add the lines where the tables belong.", "%s", o.page)
		}
	}
	if measured == 0 {
		return fail.New(fail.Usage, "Run it without write first, or name the --out of a run.",
			"%s holds no measurements", o.raw())
	}
	if err := durable.WriteBytes(o.page, []byte(page)); err != nil {
		return err
	}
	log("wrote %s", o.page)
	return nil
}

// fill replaces the text between the marks of a name.
func fill(page, name, text string) (string, error) {
	open, end := fmt.Sprintf("<!-- %s -->\n", name), fmt.Sprintf("<!-- /%s -->", name)
	before, rest, opened := strings.Cut(page, open)
	_, after, ended := strings.Cut(rest, end)
	if !opened || !ended {
		return "", fmt.Errorf("it has no lines %s and %s", strings.TrimSpace(open), end)
	}
	return before + open + "\n" + strings.TrimSpace(text) + "\n\n" + end + after, nil
}
