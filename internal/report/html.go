package report

import (
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"fx/internal/durable"
	"fx/internal/printable"
)

// The page's parts. The script draws the diagrams from the document that the
// page carries; tables are written here, so that they are there without it.
var (
	//go:embed page/page.html
	pageHTML string
	//go:embed page/page.css
	pageCSS string
	//go:embed page/page.js
	pageJS string
)

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"percent": Percent, "points": points, "duration": Duration, "count": Count, "rate": rate, "mode": ModeName,
	"confusion": newConfusionTable, "worst": worstClasses, "pairs": confusedPairs, "names": runNames, "add": func(a, b int) int { return a + b },
}).Parse(pageHTML))

// HTML writes the page as the file path: one file that needs nothing beside it
// and no network.
func HTML(path string, p Page) error {
	if err := p.check(); err != nil {
		return err
	}
	content := struct {
		Page
		CSS, Palette, Thumbnails template.CSS
		JS                       template.JS
		Document                 document
	}{p, template.CSS(pageCSS), paletteCSS(), thumbnailCSS(p.Photos), template.JS(pageJS), newDocument(p)}
	// The template escapes what HTML would take for markup. Control characters and
	// bidirectional overrides in the names of strangers are the writer's.
	return durable.WriteFile(path, func(w io.Writer) error { return pageTemplate.Execute(printable.Writer{W: w}, content) })
}

// check refuses pages that can't be drawn.
func (p Page) check() error {
	if len(p.Runs) == 0 || len(p.Groups) == 0 || p.Best < 0 || p.Best >= len(p.Runs) {
		return fmt.Errorf("report: a page of %d runs in %d groups, the best of which is number %d", len(p.Runs), len(p.Groups), p.Best)
	}
	for _, r := range p.Runs {
		if err := (Report{Epochs: r.Epochs}).checkEpochs(); err != nil {
			return fmt.Errorf("%w (run %s)", err, r.Name)
		}
	}
	return nil
}

// thumbnailCSS holds each thumbnail once, as the background of a class: a photo
// that twenty runs mistake costs its bytes once.
func thumbnailCSS(photos []Photo) template.CSS {
	var b strings.Builder
	for i, p := range photos {
		if p.JPEG != nil {
			fmt.Fprintf(&b, ".p%d{background-image:url(data:image/jpeg;base64,%s)}\n", i, base64.StdEncoding.EncodeToString(p.JPEG))
		}
	}
	return template.CSS(b.String())
}

// paletteCSS gives the page the pictures' colours.
func paletteCSS() template.CSS {
	day, night := ":root{", ":root{"
	for i, c := range palette {
		day += fmt.Sprintf("--c%d:%s;", i, c.day)
		night += fmt.Sprintf("--c%d:%s;", i, c.night)
	}
	return template.CSS(day + "}\n@media screen and (prefers-color-scheme:dark){" + night + "}}\n")
}

// Percent writes a share: 95.4 %.
func Percent(share float64) string { return fmt.Sprintf("%.1f\u00a0%%", 100*share) }

// points are percentage points: 0.7.
func points(share float64) string { return fmt.Sprintf("%.1f", 100*share) }

// Duration writes seconds as people read them: 0.6 s, 35 s, 2 min 35 s, 1 h 12 min.
func Duration(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second)).Round(time.Second)
	switch {
	case seconds < 0.05:
		return "under\u00a00.1\u00a0s"
	case seconds < 9.95:
		return fmt.Sprintf("%.1f\u00a0s", seconds)
	case d < time.Minute:
		return fmt.Sprintf("%d\u00a0s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d\u00a0min %d\u00a0s", int(d.Minutes()), int(d.Seconds())%60)
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%d\u00a0h %d\u00a0min", int(d.Hours()), int(d.Minutes())%60)
}

// Count groups the digits of a whole number: 723 522.
func Count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// rate is a number of images per second.
func rate(v float64) string {
	switch {
	case v <= 0:
		return "–"
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return Count(int(math.Round(v)))
}

// runNames lists the first runs and counts the others.
func runNames(names []string) string {
	const most = 4
	if len(names) <= most+1 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
