package evaluate

import (
	"math"

	"github.com/perennial-ml/perennial"
)

// calibrationBins is the number of bins of a calibration curve.
const calibrationBins = 10

// Calibration compares predicted probabilities with what happened: for the
// positive class of two, or for each class against the rest.
type Calibration struct {
	Rows    int                `json:"rows"`
	Curves  []CalibrationCurve `json:"curves"`
	Omitted int                `json:"omitted_classes,omitempty"`
}

// CalibrationCurve is scikit-learn's calibration_curve (10 bins of equal width,
// empty ones left out) with the counts behind it.
type CalibrationCurve struct {
	Class string           `json:"class"`
	Bins  []CalibrationBin `json:"bins"`
}

// CalibrationBin is the rows whose probability of the class lies in (Low, High],
// the first bin with its 0.
type CalibrationBin struct {
	Low      float64    `json:"low"`
	High     float64    `json:"high"`
	Rows     int        `json:"rows"`
	Positive int        `json:"positive"`  // rows of the class
	Mean     float64    `json:"predicted"` // mean probability
	Share    float64    `json:"observed"`  // Positive / Rows
	Interval [2]float64 `json:"interval"`  // of Share, 95 %, Wilson's
}

// NewCalibration gives the calibration of a classification with probabilities in
// [0, 1]; ok is false where there is nothing to draw.
func NewCalibration(o Observed, classNames []string) (out Calibration, ok bool) {
	out.Rows = len(o.Y)
	if o.Task != perennial.Classification || o.Proba == nil || o.Validate() != nil || len(classNames) != o.Classes || len(o.Y) == 0 {
		return out, false
	}
	shown, omitted := o.shown()
	out.Omitted = omitted
	for _, class := range shown {
		bins, ok := calibrate(o, class)
		if !ok {
			return out, false
		}
		out.Curves = append(out.Curves, CalibrationCurve{Class: classNames[class], Bins: bins})
	}
	return out, true
}

// calibrate counts the bins of one class; ok is false for a probability outside
// [0, 1].
func calibrate(o Observed, class int) (bins []CalibrationBin, ok bool) {
	var all [calibrationBins]CalibrationBin
	for i := range all {
		all[i].Low, all[i].High = binEdge(i), binEdge(i+1)
	}
	for i, y := range o.Y {
		p := o.proba(i, class)
		if !(p >= 0 && p <= 1) {
			return nil, false
		}
		b := 0
		for b < calibrationBins-1 && p > all[b].High {
			b++
		}
		all[b].Rows++
		all[b].Mean += p
		if int(y) == class {
			all[b].Positive++
		}
	}
	for _, b := range all {
		if b.Rows == 0 {
			continue
		}
		b.Mean /= float64(b.Rows)
		b.Share = float64(b.Positive) / float64(b.Rows)
		b.Interval = wilson(b.Positive, b.Rows)
		bins = append(bins, b)
	}
	return bins, true
}

// binEdge is numpy's linspace(0, 1, 11)[i].
func binEdge(i int) float64 {
	if i == calibrationBins {
		return 1
	}
	return float64(i) * (1.0 / calibrationBins)
}

// wilson is the 95 % score interval of a share (Wilson, 1927).
func wilson(hits, n int) [2]float64 {
	const z = 1.959963984540054
	p, m := float64(hits)/float64(n), float64(n)
	center := p + z*z/(2*m)
	half := z * math.Sqrt(float64(p*(1-p))/m+z*z/(4*m*m))
	scale := 1 + z*z/m
	return [2]float64{max(0, (center-half)/scale), min(1, (center+half)/scale)}
}
