package plots

import (
	"fmt"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/perennial-ml/perennial/models/evaluate"
)

func drawThreshold(in evaluate.ThresholdChoice) ([]byte, error) {
	if len(in.Curve) == 0 {
		return nil, nothing()
	}
	what, goal := in.Metric, "greatest"
	if what == "cost" {
		what, goal = "mean cost of a row", "least"
	}
	p := newPlot("threshold", what)
	var curve plotter.XYs
	values := []float64{in.Value}
	for _, c := range in.Curve {
		curve = append(curve, plotter.XY{X: c.Threshold, Y: c.Value})
		values = append(values, c.Value)
	}
	low, high := extremes(values)
	shares(&p.X)
	p.Y.Min, p.Y.Max = span(low, high, 0.06)
	tried := lineKey(0, "answers out of the folds")
	chosen := key{label: fmt.Sprintf("chosen: %s, %s %s", figures(in.Threshold), what, figures(in.Value)), color: palette[1], dashes: []vg.Length{6, 3}}
	legend := []key{tried, chosen}
	if in.AtHalf != nil {
		half := key{label: fmt.Sprintf("0.5: %s %s", what, figures(*in.AtHalf)), color: faint, dashes: []vg.Length{3, 3}}
		legend = append(legend, half)
		line(p, plotter.XYs{{X: 0.5, Y: p.Y.Min}, {X: 0.5, Y: p.Y.Max}}, draw.LineStyle{Color: faint, Width: 1, Dashes: half.dashes})
	}
	line(p, plotter.XYs{{X: in.Threshold, Y: p.Y.Min}, {X: in.Threshold, Y: p.Y.Max}}, draw.LineStyle{Color: palette[1], Width: 1.25, Dashes: chosen.dashes})
	line(p, curve, draw.LineStyle{Color: tried.color, Width: 1.75})
	note := fmt.Sprintf("%s, %d of them positive; the %s %s is taken, the holdout isn't looked at", count(in.Rows, "training row", "training rows"), in.Positives, goal, what)
	f := newFigure("Threshold", note, legend...)
	f.panel(p, 0, 1)
	return f.png()
}
