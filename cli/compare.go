package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	urfave "github.com/urfave/cli/v2"

	"fx/classify/compare"
	"fx/internal/fail"
	"fx/internal/filehash"
)

func compareCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:      "compare",
		Usage:     "compare two trainings, or two experiments",
		ArgsUsage: "A B",
		Description: "A and B are MODELs of fx fit-head or fx finetune, or folders of fx experiment run. The command " +
			"shows the settings\n" +
			"and results that differ, and tests whether the difference in accuracy is significant: with McNemar's " +
			"test if both\n" +
			"can be evaluated on the same photos in their stores, else with the interval of Agresti and Caffo. For " +
			"experiments,\n" +
			"it uses Welch's interval over the seeds.",
		Action: func(c *urfave.Context) error {
			if c.Args().Len() != 2 {
				return fail.New(fail.Usage, "Name two MODELs, or two experiments: `fx compare A B`.",
					"fx compare takes two folders, not %d", c.Args().Len())
			}
			found, err := compare.Folders(c.Context, c.Args().Get(0), c.Args().Get(1))
			if err != nil {
				return err
			}
			return out.result(found, func(w io.Writer) { printComparison(w, found) })
		},
	}
}

func printComparison(w io.Writer, c compare.Comparison) {
	table(w, [][]string{{"A", c.A.Folder, c.A.Title}, {"B", c.B.Folder, c.B.Title}})
	fmt.Fprintln(w)
	printSettings(w, c.Settings)
	fmt.Fprintln(w)
	if c.Kind == compare.Models {
		printResults(w, c)
	} else {
		printMeans(w, c.Means)
	}
	printSideNotes(w, c.A.Notes, c.B.Notes)
}

func printSettings(w io.Writer, d compare.Differences) {
	if len(d.Differ) > 0 {
		rows := [][]string{{"setting", "A", "B"}}
		for _, s := range d.Differ {
			a, b := abbreviate(value(s.A), value(s.B))
			rows = append(rows, []string{s.Name, a, b})
		}
		table(w, rows)
	}
	for _, only := range []struct {
		side     string
		settings map[string]any
	}{{"A", d.OnlyA}, {"B", d.OnlyB}} {
		if len(only.settings) > 0 {
			var all []string
			for _, name := range slices.Sorted(maps.Keys(only.settings)) {
				if text, _ := abbreviate(value(only.settings[name]), ""); text != unset {
					all = append(all, name+" "+text)
				}
			}
			fmt.Fprint(w, list("only "+only.side+" has: ", all))
		}
	}
	fmt.Fprintln(w, same(d.Equal, len(d.Differ)+len(d.OnlyA)+len(d.OnlyB), "setting"))
}

// lineWidth is how many letters a line of a list has, about.
const lineWidth = 100

// list prints a list behind its name, in as many lines as it takes.
func list(name string, all []string) string {
	var b strings.Builder
	line := name
	for i, part := range all {
		if i < len(all)-1 {
			part += ", "
		}
		if i > 0 && len(line)+len(part) > lineWidth {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = "   "
		}
		line += part
	}
	return b.String() + line + "\n"
}

// same sums up what does not differ.
func same(equal, others int, what string) string {
	word := what + "s are"
	if equal == 1 {
		word = what + " is"
	}
	if others > 0 {
		word = "other " + word
	}
	return fmt.Sprintf("%d %s the same", equal, word)
}

func printResults(w io.Writer, c compare.Comparison) {
	rows := [][]string{{"result", "A", "B", "B − A"}}
	for _, r := range c.Results {
		rows = append(rows, []string{r.Name, number(r.A, r.A, r.B), number(r.B, r.A, r.B),
			signed(r.Difference, r.A, r.B)})
	}
	table(w, rows)
	if c.Equal > 0 {
		fmt.Fprintln(w, same(c.Equal, len(c.Results), "result"))
	}
	if c.Accuracy != nil {
		fmt.Fprintln(w, c.Accuracy.Sentence())
	}
}

func printMeans(w io.Writer, means []compare.Mean) {
	rows := [][]string{{"best val accuracy", "", "A", "B", "B − A", ""}}
	equal := 0
	for _, m := range means {
		if m.Difference != nil && *m.Difference == 0 && m.A.SD == m.B.SD && m.A.Runs == m.B.Runs {
			equal++
			continue
		}
		difference := unset
		if m.Difference != nil {
			difference = fmt.Sprintf("%+.4f", *m.Difference)
		}
		rows = append(rows, []string{m.Backbone + seeded(m), m.Mode, group(m.A), group(m.B), difference, m.Sentence()})
	}
	if len(rows) > 1 {
		table(w, rows)
	}
	if equal > 0 {
		fmt.Fprintln(w, same(equal, len(rows)-1, "mean"))
	}
}

// seeded marks results of weights that were never trained.
func seeded(m compare.Mean) string {
	for _, g := range []compare.Group{m.A, m.B} {
		if g.Seeded {
			return " (weights " + g.Weights + ")"
		}
	}
	return ""
}

func group(g compare.Group) string {
	switch {
	case g.Planned == 0:
		return unset
	case g.Runs == 0:
		return fmt.Sprintf("0 of %d runs finished", g.Planned)
	}
	text := fmt.Sprintf("%.4f", g.BestValAccuracy)
	if g.Runs > 1 {
		text += fmt.Sprintf(" ± %.4f", g.SD)
	}
	if g.Runs < g.Planned {
		return fmt.Sprintf("%s (%d of %d runs)", text, g.Runs, g.Planned)
	}
	return fmt.Sprintf("%s (%d)", text, g.Runs)
}

func printSideNotes(w io.Writer, a, b []string) {
	for _, note := range a {
		side := "A"
		if slices.Contains(b, note) {
			side = "A and B"
		}
		fmt.Fprintf(w, "note on %s: %s\n", side, note)
	}
	for _, note := range b {
		if !slices.Contains(a, note) {
			fmt.Fprintf(w, "note on B: %s\n", note)
		}
	}
}

// table prints rows in columns that are as wide as they need to be.
func table(w io.Writer, rows [][]string) {
	var text strings.Builder
	columns := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(columns, strings.Join(row, "\t"))
	}
	_ = columns.Flush() // into memory
	for line := range strings.Lines(text.String()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
}

// number prints a result of a pair with the digits that the pair needs.
func number(v, a, b float64) string {
	return strconv.FormatFloat(v, 'f', digits(a, b), 64)
}

func signed(v, a, b float64) string {
	return fmt.Sprintf("%+.*f", digits(a, b), v)
}

func digits(a, b float64) int {
	switch {
	case a == float64(int64(a)) && b == float64(int64(b)):
		return 0
	case max(a, b) >= 10:
		return 1
	}
	return 4
}

// unset stands for a value that there is none of.
const unset = "—"

// value prints a setting.
func value(v any) string {
	switch v := v.(type) {
	case nil:
		return unset
	case string:
		if v == "" {
			return unset
		}
		return v
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}

// widest is how many letters a cell has at most, and hashLetters those of a hash.
const (
	widest      = 44
	hashLetters = 12
)

// abbreviate shortens two values that don't fit, to the part where they differ.
func abbreviate(a, b string) (string, string) {
	x, y := []rune(a), []rune(b)
	if len(x) <= widest && len(y) <= widest {
		return a, b
	}
	if filehash.IsSHA256(a) && (filehash.IsSHA256(b) || b == "") {
		return a[:hashLetters], b[:min(hashLetters, len(b))]
	}
	start := 0
	for start < min(len(x), len(y)) && x[start] == y[start] {
		start++
	}
	if start = max(0, start-8); min(len(x), len(y)) == 0 || max(len(x), len(y)) <= start {
		start = 0
	}
	cut := func(s []rune) string {
		head := ""
		if start > 0 {
			s, head = s[min(start, len(s)):], "…"
		}
		if len(s) > widest-2 {
			return head + string(s[:widest-2]) + "…"
		}
		return head + string(s)
	}
	return cut(x), cut(y)
}
