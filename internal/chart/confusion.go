package chart

import (
	"fmt"
	"math"
	"strconv"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Sizes of cells, in points, below which something is omitted.
const (
	cellForShare = 44 // the share of the row under the count
	cellForCount = 13 // the count itself
	cellForName  = 8  // the names of the classes
)

// Confusion describes the picture of a confusion matrix.
type Confusion struct {
	Title, Subtitle string   // as in Training
	Counts          [][]int  // photos, by [true class][predicted class]
	Classes         []string // names, in the same order
	Photos          string   // what is counted, such as "val photos"; "" for "photos"
}

// WriteConfusion draws the matrix as the PNG file path.
func WriteConfusion(path string, m Confusion) error {
	if err := m.check(); err != nil {
		return err
	}
	return writePNG(path, m.Title, m.Subtitle, height, height+20, m.draw)
}

func (m Confusion) check() error {
	if len(m.Classes) == 0 || len(m.Counts) != len(m.Classes) {
		return fmt.Errorf("chart: a confusion matrix of %d rows for %d classes", len(m.Counts), len(m.Classes))
	}
	for i, row := range m.Counts {
		if len(row) != len(m.Classes) {
			return fmt.Errorf("chart: row %d of the confusion matrix has %d columns, not %d", i, len(row),
				len(m.Classes))
		}
	}
	return nil
}

// Shade returns the darkness, from 0 to 1, of a cell with a share of its row, and whether its text is light. The
// square root makes single mistakes visible.
func Shade(share float64) (shade float64, light bool) {
	return 0.92 * math.Sqrt(share), share > 0.3
}

// draw draws the matrix with true classes as rows, shaded by the share of the row.
func (m Confusion) draw(c draw.Canvas) {
	at := newMatrix(c, m)
	c.FillText(bold(letters(12, ink)), vg.Point{X: at.left, Y: c.Max.Y - heading + 8}, at.heading())
	at.drawAxes(c)
	for i, row := range m.Counts {
		total := 0
		for _, n := range row {
			total += n
		}
		for j, n := range row {
			at.drawCell(c, i, j, n, total)
		}
	}
	at.drawFrame(c)
}

// axisTitle is the room for "true class" and "predicted class".
const axisTitle = 20

// matrix is the layout of a confusion matrix on its canvas.
type matrix struct {
	of        Confusion
	names     draw.TextStyle
	left, top vg.Length
	cell      vg.Length
	angle     float64   // of the names of the columns
	depth     vg.Length // of the space for them below the matrix
	room      vg.Length // for a name
}

func newMatrix(c draw.Canvas, of Confusion) *matrix {
	classes := vg.Length(len(of.Classes))
	whole := min(c.Max.X-c.Min.X, c.Max.Y-c.Min.Y-heading)
	size := min(11, max(6, 0.75*whole/classes))
	m := &matrix{of: of, names: letters(size, ink), room: whole / 4}
	var widest vg.Length
	for _, name := range of.Classes {
		widest = max(widest, m.names.Width(fit(m.names, name, m.room)))
	}
	rows := widest + 8 + axisTitle
	place := func(angle float64, depth vg.Length) {
		m.angle, m.depth = angle, depth
		m.cell = min((c.Max.X-c.Min.X-rows)/classes, (c.Max.Y-c.Min.Y-heading-depth-axisTitle)/classes)
	}
	place(0, 22)
	if m.cell < widest+6 {
		place(math.Pi/4, 12+widest*math.Sqrt2/2)
	}
	if m.angle != 0 && m.cell < 1.6*size {
		place(math.Pi/2, 12+widest)
	}
	if m.cell < cellForName {
		rows = axisTitle
		place(0, 6)
	}
	m.left, m.top = c.Min.X+rows, c.Max.Y-heading
	return m
}

func (m *matrix) named() bool { return m.cell >= cellForName }

func (m *matrix) heading() string {
	photos, right := 0, 0
	for i, row := range m.of.Counts {
		right += row[i]
		for _, n := range row {
			photos += n
		}
	}
	what := m.of.Photos
	if what == "" {
		what = "photos"
	}
	return fmt.Sprintf("Confusion: %d of %d %s right", right, photos, what)
}

// corner returns the lower left corner of the cell.
func (m *matrix) corner(row, column int) (x, y vg.Length) {
	return m.left + vg.Length(column)*m.cell, m.top - vg.Length(row+1)*m.cell
}

func (m *matrix) drawCell(c draw.Canvas, row, column, photos, total int) {
	share := 0.0
	if total > 0 {
		share = float64(photos) / float64(total)
	}
	if photos == 0 && m.cell < cellForShare {
		return
	}
	x, y := m.corner(row, column)
	shade, light := Shade(share)
	c.FillPolygon(mix(paper, deepBlue, shade), rectangle(x, y, x+m.cell, y+m.cell))
	if m.cell < cellForCount {
		return
	}
	text := ink
	if light {
		text = paper
	}
	count := bold(letters(min(20, 0.34*m.cell), text))
	middle := vg.Point{X: x + m.cell/2, Y: y + m.cell/2}
	if m.cell < cellForShare {
		number := strconv.Itoa(photos)
		if wide := count.Width(number); wide > 0.9*m.cell {
			count.Font.Size *= 0.9 * m.cell / wide
		}
		c.FillText(aligned(count, draw.XCenter, draw.YCenter), middle, number)
		return
	}
	middle.Y += 1
	c.FillText(aligned(count, draw.XCenter, draw.YBottom), middle, strconv.Itoa(photos))
	middle.Y -= 4
	below := aligned(letters(min(11, 0.2*m.cell), text), draw.XCenter, draw.YTop)
	c.FillText(below, middle, fmt.Sprintf("%.0f %%", 100*share))
}

func (m *matrix) drawAxes(c draw.Canvas) {
	classes := len(m.of.Classes)
	if m.named() {
		for i, name := range m.of.Classes {
			name = fit(m.names, name, m.room)
			x, y := m.corner(i, 0)
			c.FillText(aligned(m.names, draw.XRight, draw.YCenter), vg.Point{X: x - 7, Y: y + m.cell/2}, name)
			x, y = m.corner(classes-1, i)
			m.drawColumnName(c, vg.Point{X: x + m.cell/2, Y: y}, name)
		}
	}
	title := letters(10.5, faintInk)
	x, bottom := m.corner(classes-1, 0)
	half := vg.Length(classes) * m.cell / 2
	style := aligned(title, draw.XCenter, draw.YTop)
	style.Rotation = math.Pi / 2
	c.FillText(style, vg.Point{X: c.Min.X, Y: m.top - half}, "true class")
	c.FillText(aligned(title, draw.XCenter, draw.YTop), vg.Point{X: x + half, Y: bottom - m.depth}, "predicted class")
}

// drawColumnName writes a name below the middle of its column's lower edge.
func (m *matrix) drawColumnName(c draw.Canvas, edge vg.Point, name string) {
	style := m.names
	style.Rotation = m.angle
	switch m.angle {
	case 0:
		style, edge.Y = aligned(style, draw.XCenter, draw.YTop), edge.Y-6
	case math.Pi / 4:
		style, edge.X, edge.Y = aligned(style, draw.XRight, draw.YTop), edge.X+2, edge.Y-5
	default:
		style, edge.Y = aligned(style, draw.XRight, draw.YCenter), edge.Y-6
	}
	c.FillText(style, edge, name)
}

func (m *matrix) drawFrame(c draw.Canvas) {
	classes := vg.Length(len(m.of.Classes))
	line := draw.LineStyle{Color: paper, Width: min(2, m.cell/12)}
	right, bottom := m.left+classes*m.cell, m.top-classes*m.cell
	for i := range m.of.Classes {
		if !m.named() { // cells too small to distinguish
			break
		}
		at := vg.Length(i) * m.cell
		c.StrokeLine2(line, m.left, m.top-at, right, m.top-at)
		c.StrokeLine2(line, m.left+at, m.top, m.left+at, bottom)
	}
	edge := append(rectangle(m.left, bottom, right, m.top), vg.Point{X: m.left, Y: bottom})
	c.StrokeLines(draw.LineStyle{Color: mark, Width: 0.75}, edge)
}
