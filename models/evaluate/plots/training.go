package plots

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/perennial-ml/perennial/models/evaluate"
)

func drawImportance(in evaluate.Importance) ([]byte, error) {
	if len(in.Features) == 0 {
		return nil, nothing()
	}
	shown := in.Features[:min(len(in.Features), importanceShown)]
	p := newPlot(fmt.Sprintf("how much worse %s gets when the column is shuffled", in.Metric), "")
	labels := make([]string, len(shown))
	low, high := 0.0, 0.0
	for i, f := range shown {
		at := float64(len(shown) - 1 - i)
		labels[len(shown)-1-i] = f.Name
		p.Add(box{0, f.Mean, at - 0.33, at + 0.33, palette[5]})
		line(p, plotter.XYs{{X: f.Mean - f.Std, Y: at}, {X: f.Mean + f.Std, Y: at}}, draw.LineStyle{Color: ink, Width: 1.5})
		low, high = math.Min(low, f.Mean-f.Std), math.Max(high, f.Mean+f.Std)
	}
	line(p, plotter.XYs{{X: 0, Y: -0.5}, {X: 0, Y: float64(len(shown)) - 0.5}}, draw.LineStyle{Color: faint, Width: 1})
	names(&p.Y, labels)
	p.X.Min, p.X.Max = span(low, high, 0.04)
	note := fmt.Sprintf("%d of %s, %d shuffles of each column; line: ± 1 standard deviation", in.Rows, evaluated(in.Of), in.Repeats)
	if more := len(in.Features) - len(shown); more > 0 {
		note += fmt.Sprintf("; %d less important columns not shown", more)
	}
	if len(in.Left) > 0 {
		note += fmt.Sprintf("; %d not measured", len(in.Left))
	}
	f := newFigureOf(figureHeight(len(shown), 30), "Permutation importance", note)
	f.panel(p, 0, 1)
	return f.png()
}

func drawLearning(in evaluate.LearningCurve) ([]byte, error) {
	if len(in.Points) == 0 {
		return nil, nothing()
	}
	p := newPlot("rows fitted on", in.Metric)
	held, fitted := lineKey(0, fmt.Sprintf("rows held out of the fit (%d folds, ± 1 standard deviation)", in.Folds)), lineKey(1, "rows fitted on")
	var all, rows []float64
	for i, of := range []func(evaluate.LearningPoint) []float64{
		func(p evaluate.LearningPoint) []float64 { return p.Folds },
		func(p evaluate.LearningPoint) []float64 { return p.Fitted },
	} {
		k := []key{held, fitted}[i]
		var points plotter.XYs
		for _, point := range in.Points {
			m, std := evaluate.Spread(of(point))
			if math.IsNaN(m) {
				continue
			}
			x := float64(point.Rows)
			points = append(points, plotter.XY{X: x, Y: m})
			line(p, plotter.XYs{{X: x, Y: m - std}, {X: x, Y: m + std}}, draw.LineStyle{Color: k.color, Width: 1})
			all, rows = append(all, m-std, m+std), append(rows, x)
		}
		line(p, points, draw.LineStyle{Color: k.color, Width: 1.75, Dashes: k.dashes})
		dots(p, points, k.color, 3)
	}
	if len(all) == 0 {
		return nil, nothing()
	}
	_, most := extremes(rows)
	p.X.Min, p.X.Max = 0, most*1.04
	low, high := extremes(all)
	p.Y.Min, p.Y.Max = span(low, high, 0.08)
	note := better(in.HigherIsBetter)
	if in.Stopped != "" {
		note += "; " + in.Stopped
	}
	f := newFigure("Learning curve", note, held, fitted)
	f.panel(p, 0, 1)
	return f.png()
}

func drawCandidates(in evaluate.Candidates) ([]byte, error) {
	tried := len(in.Candidates)
	in.Candidates = slices.DeleteFunc(in.Candidates, func(c evaluate.Candidate) bool { return c.Failure != "" })
	if len(in.Candidates) == 0 {
		return nil, nothing()
	}
	list := in.Candidates[:min(len(in.Candidates), candidatesShown)]
	p, seconds := newPlot(in.Metric+" on the folds", ""), newPlot("seconds of the trial", "")
	labels := make([]string, len(list))
	var all []float64
	slowest := 0.0
	for i, c := range list {
		at := float64(len(list) - 1 - i)
		labels[len(list)-1-i] = c.Algorithm
		if c.Stopped {
			labels[len(list)-1-i] += " (stopped)"
		}
		colour := palette[0]
		if c.Selected {
			colour = palette[1]
		}
		line(p, plotter.XYs{{X: c.Mean - c.Std, Y: at}, {X: c.Mean + c.Std, Y: at}}, draw.LineStyle{Color: colour, Width: 2})
		var folds plotter.XYs
		for _, s := range c.Scores {
			folds = append(folds, plotter.XY{X: s, Y: at - 0.16})
		}
		dots(p, folds, transparent(palette[7], 0.9), 2.2)
		dots(p, plotter.XYs{{X: c.Mean, Y: at}}, colour, 4.5)
		all = append(all, c.Mean-c.Std, c.Mean+c.Std)
		all = append(all, c.Scores...)
		seconds.Add(box{0, c.Wall, at - 0.25, at + 0.25, colour})
		slowest = math.Max(slowest, c.Wall)
	}
	names(&p.Y, labels)
	names(&seconds.Y, slices.Repeat([]string{""}, len(list)))
	low, high := extremes(all)
	p.X.Min, p.X.Max = span(low, high, 0.06)
	for i, c := range list {
		seconds.Add(note{c.Wall, float64(len(list) - 1 - i), figures(c.Wall) + " s"})
	}
	seconds.X.Min, seconds.X.Max = 0, math.Max(slowest*1.4, 1e-3)
	subtitle := better(in.HigherIsBetter)
	if more := len(in.Candidates) - len(list); more > 0 {
		subtitle += fmt.Sprintf("; %d worse ones not shown", more)
	}
	if failed := tried - len(in.Candidates); failed > 0 {
		subtitle += fmt.Sprintf("; %d without a score", failed)
	}
	f := newFigureOf(figureHeight(len(list), 60), "Candidates: the best trial of each", subtitle,
		key{label: "selected", color: palette[1], dot: true}, key{label: "others", color: palette[0], dot: true},
		key{label: "± 1 standard deviation over the folds", color: palette[0]}, key{label: "one fold", color: palette[7], dot: true})
	f.panel(p, 0, 0.68)
	f.panel(seconds, 0.7, 1)
	return f.png()
}

// figureHeight is the height, in pixels, of a figure with so many things below
// each other.
func figureHeight(things, each int) vg.Length {
	return vg.Length(min(Height, 190+things*each))
}

func better(higher bool) string {
	if higher {
		return "higher is better"
	}
	return "lower is better"
}
