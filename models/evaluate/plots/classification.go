package plots

import (
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/perennial-ml/perennial/models/evaluate"
)

func drawROC(in evaluate.ROC) ([]byte, error) {
	if len(in.Curves) == 0 {
		return nil, nothing()
	}
	p := newPlot("false positive rate", "true positive rate")
	line(p, plotter.XYs{{X: 0, Y: 0}, {X: 1, Y: 1}}, draw.LineStyle{Color: faint, Width: 1, Dashes: []vg.Length{3, 3}})
	var legend []key
	for i, c := range in.Curves {
		k := lineKey(i, fmt.Sprintf("%s (AUC %.3f, %s)", short(c.Class), c.AUC, count(c.Positives, "row", "rows")))
		legend = append(legend, k)
		line(p, pairs(c.FPR, c.TPR), draw.LineStyle{Color: k.color, Width: 1.75, Dashes: k.dashes})
	}
	legend = append(legend, key{label: "chance", color: faint, dashes: []vg.Length{3, 3}})
	shares(&p.X)
	shares(&p.Y)
	f := newFigure("ROC curve"+versusRest(len(in.Curves)+in.Omitted), evaluated(in.Rows)+omitted(in.Omitted), legend...)
	f.panel(p, 0, 1)
	return f.png()
}

func drawPrecisionRecall(in evaluate.PrecisionRecall) ([]byte, error) {
	if len(in.Curves) == 0 {
		return nil, nothing()
	}
	p := newPlot("recall", "precision")
	var legend []key
	for i, c := range in.Curves {
		k := lineKey(i, fmt.Sprintf("%s (AP %.3f, %s)", short(c.Class), c.AveragePrecision, count(c.Positives, "row", "rows")))
		legend = append(legend, k)
		points := pairs(c.Recall, c.Precision)
		line(p, stairs(points), draw.LineStyle{Color: k.color, Width: 1.75, Dashes: k.dashes})
		if len(in.Curves) == 1 && in.Rows > 0 {
			share := float64(c.Positives) / float64(in.Rows)
			chance := key{label: fmt.Sprintf("chance (%.3f)", share), color: faint, dashes: []vg.Length{3, 3}}
			legend = append(legend, chance)
			line(p, plotter.XYs{{X: 0, Y: share}, {X: 1, Y: share}}, draw.LineStyle{Color: faint, Width: 1, Dashes: chance.dashes})
		}
	}
	shares(&p.X)
	shares(&p.Y)
	f := newFigure("Precision and recall"+versusRest(len(in.Curves)+in.Omitted), evaluated(in.Rows)+omitted(in.Omitted), legend...)
	f.panel(p, 0, 1)
	return f.png()
}

// stairs joins the points of a precision-recall curve as average precision reads
// them: a point's precision holds from the recall of the point before it.
func stairs(points plotter.XYs) plotter.XYs {
	var out plotter.XYs
	for i, p := range points {
		if i > 0 {
			out = append(out, plotter.XY{X: points[i-1].X, Y: p.Y})
		}
		out = append(out, p)
	}
	return out
}

func drawCalibration(in evaluate.Calibration) ([]byte, error) {
	if len(in.Curves) == 0 {
		return nil, nothing()
	}
	top, bottom := newPlot("", "observed share"), newPlot("predicted probability", "rows")
	perfect := key{label: "perfect", color: faint, dashes: []vg.Length{3, 3}}
	line(top, plotter.XYs{{X: 0, Y: 0}, {X: 1, Y: 1}}, draw.LineStyle{Color: faint, Width: 1, Dashes: perfect.dashes})
	var legend []key
	highest := 1.0
	for i, c := range in.Curves {
		k := lineKey(i, short(c.Class))
		legend = append(legend, k)
		var points plotter.XYs
		width := 0.1 / float64(len(in.Curves)) * 0.85
		for _, b := range c.Bins {
			points = append(points, plotter.XY{X: b.Mean, Y: b.Share})
			line(top, plotter.XYs{{X: b.Mean, Y: b.Interval[0]}, {X: b.Mean, Y: b.Interval[1]}}, draw.LineStyle{Color: k.color, Width: 1})
			left := b.Low + 0.0075 + float64(i)*width
			bottom.Add(box{left, left + width, 0, float64(b.Rows), k.color})
			highest = math.Max(highest, float64(b.Rows))
		}
		line(top, points, draw.LineStyle{Color: k.color, Width: 1.5, Dashes: k.dashes})
		dots(top, points, k.color, 3)
	}
	legend = append(legend, perfect)
	shares(&top.X)
	shares(&top.Y)
	shares(&bottom.X)
	top.X.Tick.Label.Color = color.Transparent
	bottom.Y.Min, bottom.Y.Max = 0, highest*1.05
	f := newFigure("Calibration"+versusRest(len(in.Curves)+in.Omitted), evaluated(in.Rows)+omitted(in.Omitted)+"; bars: 95 % interval of each share", legend...)
	f.stack(top, bottom, 0.3)
	return f.png()
}

// stack draws two plots with one x axis above each other, their frames aligned.
func (f *figure) stack(top, bottom *plot.Plot, share float64) {
	size := f.rest.Size()
	split := vg.Length(share) * size.Y
	canvases := plot.Align([][]*plot.Plot{{top}, {bottom}}, draw.Tiles{Rows: 2, Cols: 1}, f.rest)
	upper, lower := canvases[0][0], canvases[1][0]
	lower.Min.Y, lower.Max.Y = f.rest.Min.Y, f.rest.Min.Y+split
	upper.Min.Y, upper.Max.Y = f.rest.Min.Y+split, f.rest.Max.Y
	top.Draw(upper)
	bottom.Draw(lower)
}

func drawConfusion(in evaluate.ConfusionMatrix) ([]byte, error) {
	k := len(in.Classes)
	square := func(row []int) bool { return len(row) == k }
	if k == 0 || len(in.Counts) != k || !slices.ContainsFunc(in.Counts, square) {
		return nil, nothing()
	}
	p := newAxes("predicted class", "actual class")
	p.Add(&cells{counts: in.Counts})
	names(&p.X, in.Classes)
	reversed := slices.Clone(in.Classes)
	slices.Reverse(reversed)
	names(&p.Y, reversed)
	longest := 0
	for _, c := range in.Classes {
		longest = max(longest, len([]rune(short(c))))
	}
	if k*longest > 75 {
		slanted := slices.Clone(in.Classes)
		for i := range slanted {
			slanted[i] = short(slanted[i]) + "  " // off the axis
		}
		names(&p.X, slanted)
		p.X.Tick.Label.Rotation = math.Pi / 4
		p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = text.XRight, text.YCenter
	}
	right := 0
	for c := range in.Counts {
		if c < len(in.Counts[c]) {
			right += in.Counts[c][c]
		}
	}
	note := fmt.Sprintf("; %d right; percentages and shades: share of the actual class", right)
	if k > confusionPercent {
		note = fmt.Sprintf("; %d right; shades: share of the actual class; empty: 0", right)
	}
	if in.Folded > 0 {
		note += fmt.Sprintf("; %d rarer classes taken together", in.Folded)
	}
	f := newFigure("Confusion matrix", evaluated(in.Rows)+note)
	f.panel(p, 0, 1)
	return f.png()
}

// cells draws a confusion matrix: the first class at the top left.
type cells struct{ counts [][]int }

func (m *cells) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	k := len(m.counts)
	size := vg.Length(13)
	if k > confusionPercent {
		size = max(5, 13-vg.Length(k-confusionPercent)*0.6)
	}
	for t, row := range m.counts {
		total := 0
		for _, n := range row {
			total += n
		}
		for predicted, n := range row {
			share := 0.0
			if total > 0 {
				share = float64(n) / float64(total)
			}
			left, right := x(float64(predicted)-0.49), x(float64(predicted)+0.49)
			low, high := y(float64(k-1-t)-0.49), y(float64(k-1-t)+0.49)
			c.FillPolygon(shade(share), []vg.Point{{X: left, Y: low}, {X: right, Y: low}, {X: right, Y: high}, {X: left, Y: high}})
			style := styled(size, ink, false)
			if share > 0.5 {
				style.Color = color.White
			}
			style.XAlign, style.YAlign = text.XCenter, text.YCenter
			if n == 0 && k > confusionPercent {
				continue
			}
			label := fmt.Sprint(n)
			if k <= confusionPercent && total > 0 {
				label += fmt.Sprintf("\n%.1f %%", 100*share)
			}
			c.FillText(style, vg.Point{X: (left + right) / 2, Y: (low + high) / 2}, label)
		}
	}
}

func (m *cells) DataRange() (xmin, xmax, ymin, ymax float64) {
	k := float64(len(m.counts))
	return -0.5, k - 0.5, -0.5, k - 0.5
}

// shade goes from near white to blue.
func shade(share float64) color.Color {
	from, to := color.RGBA{0xF4, 0xF8, 0xFB, 0xFF}, palette[0]
	at := func(a, b uint8) uint8 { return uint8(float64(a) + share*(float64(b)-float64(a)) + 0.5) }
	return color.RGBA{at(from.R, to.R), at(from.G, to.G), at(from.B, to.B), 0xFF}
}

// box is a filled rectangle in the axes' own units, cut at their ends.
type box struct {
	left, right, low, high float64
	color                  color.Color
}

func (b box) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	within := func(v, low, high vg.Length) vg.Length { return min(max(v, low), high) }
	l, r := within(x(b.left), c.Min.X, c.Max.X), within(x(b.right), c.Min.X, c.Max.X)
	d, u := within(y(b.low), c.Min.Y, c.Max.Y), within(y(b.high), c.Min.Y, c.Max.Y)
	c.FillPolygon(b.color, []vg.Point{{X: l, Y: d}, {X: r, Y: d}, {X: r, Y: u}, {X: l, Y: u}})
}

func (b box) DataRange() (xmin, xmax, ymin, ymax float64) { return b.left, b.right, b.low, b.high }

func lineKey(i int, label string) key {
	return key{label: label, color: palette[i%len(palette)], dashes: dashes[i%len(dashes)]}
}

func pairs(x, y []float64) plotter.XYs {
	out := make(plotter.XYs, min(len(x), len(y)))
	for i := range out {
		out[i] = plotter.XY{X: x[i], Y: y[i]}
	}
	return out
}

func evaluated(rows int) string { return count(rows, "evaluated row", "evaluated rows") }

func omitted(n int) string {
	if n == 0 {
		return ""
	}
	return "; " + count(n, "class isn't", "classes aren't") + " shown: rarer, or without rows"
}

func versusRest(classes int) string {
	if classes > 1 {
		return ", each class against the rest"
	}
	return ""
}
