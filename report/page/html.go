package page

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

	"fx/internal/chart"
	"fx/internal/durable"
	"fx/internal/printable"
)

// The page's parts. The script shows what is pointed at, from the document that the page carries.
var (
	//go:embed assets/page.html
	pageHTML string
	//go:embed assets/page.css
	pageCSS string
	//go:embed assets/page.js
	pageJS string
)

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"percent": Percent, "points": points, "duration": Duration, "count": Count, "rate": rate,
	"confusion": newConfusionTable, "worst": worstClasses, "pairs": confusedPairs,
	"names": func(names []string) string { return Enumerate(names, 4) },
	"svg":   func(d chart.Drawing) template.HTML { return template.HTML(d.Elements) }, // which escapes its texts
}).Parse(pageHTML))

// HTML writes the page as the file path: one file that needs nothing beside it
// and no network.
func HTML(path string, p Page) error {
	if err := p.check(); err != nil {
		return err
	}
	v := view{
		Page: p, CSS: template.CSS(pageCSS), Palette: template.CSS(chart.PaletteCSS()),
		Thumbnails: thumbnailCSS(p.Photos), JS: template.JS(pageJS),
	}
	if err := v.draw(); err != nil {
		return err
	}
	// The template escapes what HTML would take for markup. Control characters and
	// bidirectional overrides in the names of strangers are the writer's.
	return cannotWrite(path, durable.WriteFile(path, func(w io.Writer) error {
		return pageTemplate.Execute(printable.Writer{W: w}, v)
	}))
}

// view is a page with what the template shows besides.
type view struct {
	Page
	CSS, Palette, Thumbnails template.CSS
	JS                       template.JS
	Accuracies, Losses       []svgChart
	Maps                     []*svgChart // by run, nil for none
	Document                 document
}

// document is what the script shows.
type document struct {
	Tips   []any      `json:"tips"` // by the numbers of charts
	Photos []photoTip `json:"photos"`
}

type photoTip struct {
	Name      string `json:"name"`
	Thumbnail bool   `json:"thumbnail"`
}

// draw draws the charts and fills the document.
func (v *view) draw() error {
	v.Document = document{Tips: []any{}, Photos: []photoTip{}}
	number := func(f *svgChart) {
		f.Number = len(v.Document.Tips)
		v.Document.Tips = append(v.Document.Tips, f.Tip)
	}
	if v.HasCurves() {
		var err error
		if v.Accuracies, err = drawPlots(v.accuracies()); err != nil {
			return err
		}
		if v.Losses, err = drawPlots(v.losses()); err != nil {
			return err
		}
	}
	for _, all := range [][]svgChart{v.Accuracies, v.Losses} {
		for i := range all {
			number(&all[i])
		}
	}
	v.Maps = make([]*svgChart, len(v.Runs))
	for i, r := range v.Runs {
		if r.Evaluation != nil && r.Evaluation.Map != nil {
			f := mapOf(r)
			number(&f)
			v.Maps[i] = &f
		}
	}
	for _, photo := range v.Photos {
		v.Document.Photos = append(v.Document.Photos, photoTip{photo.Name, photo.JPEG != nil})
	}
	return nil
}

// check refuses pages that can't be drawn.
func (p Page) check() error {
	if len(p.Runs) == 0 || len(p.Groups) == 0 || p.Best < 0 || p.Best >= len(p.Runs) {
		return fmt.Errorf("report: a page of %d runs in %d groups, the best of which is number %d",
			len(p.Runs), len(p.Groups), p.Best)
	}
	return nil
}

// thumbnailCSS holds each thumbnail once, as the background of a class: a photo
// that twenty runs mistake costs its bytes once.
func thumbnailCSS(photos []Photo) template.CSS {
	var b strings.Builder
	for i, p := range photos {
		if p.JPEG != nil {
			content := base64.StdEncoding.EncodeToString(p.JPEG)
			fmt.Fprintf(&b, ".p%d{background-image:url(data:image/jpeg;base64,%s)}\n", i, content)
		}
	}
	return template.CSS(b.String())
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

// Enumerate joins the first few names, and counts the others if they are more than one.
func Enumerate(names []string, most int) string {
	if len(names) <= most+1 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
