package plots

import (
	"fmt"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/perennial-ml/perennial/models/evaluate"
)

// central is the share of the points that axes are made for; a few far ones would
// squeeze all others into a corner.
const central = 0.99

func drawPredicted(in evaluate.Predicted) ([]byte, error) {
	if len(in.Points) == 0 {
		return nil, nothing()
	}
	p := newPlot("predicted "+short(in.Target), "actual "+short(in.Target))
	low, high := middle(column(in.Points, 0), column(in.Points, 1))
	inside, beyond := within(in.Points, [2]float64{low, high}, [2]float64{low, high})
	dots(p, inside, transparent(palette[0], 0.35), 2.2)
	line(p, plotter.XYs{{X: low, Y: low}, {X: high, Y: high}}, draw.LineStyle{Color: palette[1], Width: 1.5, Dashes: []vg.Length{6, 3}})
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = low, high, low, high
	f := newFigure("Predicted against actual", points(in.Rows, in.Shown, beyond),
		key{label: "one row", color: palette[0], dot: true}, key{label: "predicted = actual", color: palette[1], dashes: []vg.Length{6, 3}})
	f.panel(p, 0, 1)
	return f.png()
}

func drawResiduals(in evaluate.Residuals) ([]byte, error) {
	if len(in.Points) == 0 {
		return nil, nothing()
	}
	p := newPlot("predicted "+short(in.Target), "residual (actual − predicted)")
	left, right := middle(column(in.Points, 0))
	low, high := middle(column(in.Points, 1))
	low, high = min(low, -high/4), max(high, -low/4) // 0 is always there
	inside, beyond := within(in.Points, [2]float64{left, right}, [2]float64{low, high})
	dots(p, inside, transparent(palette[0], 0.3), 2.2)
	line(p, plotter.XYs{{X: left, Y: 0}, {X: right, Y: 0}}, draw.LineStyle{Color: faint, Width: 1})
	legend := []key{{label: "one row", color: palette[0], dot: true}}
	if len(in.Bands) > 0 {
		median, spread := draw.LineStyle{Color: palette[1], Width: 2}, draw.LineStyle{Color: palette[1], Width: 1, Dashes: []vg.Length{4, 3}}
		for _, s := range []struct {
			style draw.LineStyle
			of    func(evaluate.ResidualBand) float64
		}{
			{median, func(b evaluate.ResidualBand) float64 { return b.Median }},
			{spread, func(b evaluate.ResidualBand) float64 { return b.Low }},
			{spread, func(b evaluate.ResidualBand) float64 { return b.High }},
		} {
			var points plotter.XYs
			for _, b := range in.Bands {
				points = append(points, plotter.XY{X: b.Predicted, Y: s.of(b)})
			}
			line(p, clipped(points, left, right, low, high), s.style)
		}
		legend = append(legend, key{label: "median", color: palette[1]}, key{label: "10 % and 90 %", color: palette[1], dashes: spread.Dashes})
	}
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = left, right, low, high
	f := newFigure("Residuals", points(in.Rows, in.Shown, beyond)+fmt.Sprintf("; mean %s, standard deviation %s", figures(in.Mean), figures(in.Std)), legend...)
	f.panel(p, 0, 0.72)
	f.panel(bars(in.Histogram, low, high), 0.73, 1)
	return f.png()
}

// bars draws a histogram on its side, beside the residuals.
func bars(histogram []evaluate.Bar, low, high float64) *plot.Plot {
	p := newPlot("rows", "")
	most := 1.0
	for _, b := range histogram {
		if b.High > low && b.Low < high {
			p.Add(box{0, float64(b.Rows), max(b.Low, low), min(b.High, high), palette[5]})
		}
		most = max(most, float64(b.Rows))
	}
	line(p, plotter.XYs{{X: 0, Y: 0}, {X: most * 1.05, Y: 0}}, draw.LineStyle{Color: faint, Width: 1})
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, most*1.05, low, high
	p.X.Tick.Marker = plot.TickerFunc(func(low, high float64) []plot.Tick {
		all := ticks(low, high)
		if len(all) < 2 {
			return all
		}
		return []plot.Tick{all[0], all[len(all)/2]} // more have no room
	})
	return p
}

// middle gives a range that holds the central share of some numbers, with a margin.
func middle(lists ...[]float64) (low, high float64) {
	all := slices.Concat(lists...)
	slices.Sort(all)
	cut := int(float64(len(all)) * (1 - central) / 2)
	return span(all[cut], all[len(all)-1-cut], 0.06)
}

// within gives the points inside the ranges of x and y and counts the others.
func within(list [][2]float64, x, y [2]float64) (inside plotter.XYs, beyond int) {
	for _, p := range list {
		if p[0] < x[0] || p[0] > x[1] || p[1] < y[0] || p[1] > y[1] {
			beyond++
			continue
		}
		inside = append(inside, plotter.XY{X: p[0], Y: p[1]})
	}
	return inside, beyond
}

// clipped moves points into the frame.
func clipped(list plotter.XYs, left, right, low, high float64) plotter.XYs {
	for i := range list {
		list[i].X, list[i].Y = min(max(list[i].X, left), right), min(max(list[i].Y, low), high)
	}
	return list
}

func column(list [][2]float64, i int) []float64 {
	out := make([]float64, len(list))
	for k := range list {
		out[k] = list[k][i]
	}
	return out
}

// points says which rows a picture shows.
func points(rows, shown, beyond int) string {
	s := evaluated(rows)
	if shown < rows {
		s += fmt.Sprintf(", %d of them drawn", shown)
	}
	if beyond > 0 {
		s += fmt.Sprintf(" (%d beyond the axes)", beyond)
	}
	return s
}
