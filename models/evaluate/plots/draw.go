package plots

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/perennial-ml/perennial"
)

// The names of the pictures, and of the files they and their numbers are kept in.
const (
	Candidates      = "candidates"
	ConfusionMatrix = "confusion_matrix"
	ROC             = "roc"
	PrecisionRecall = "precision_recall"
	Calibration     = "calibration"
	Threshold       = "threshold"
	PredictedActual = "predicted_vs_actual"
	Residuals       = "residuals"
	Importance      = "permutation_importance"
	LearningCurve   = "learning_curve"
)

// Width and Height are in pixels; some pictures are less high.
const (
	Width  = 800
	Height = 600
)

const (
	pixelsPerInch    = 100
	mostNameRunes    = 28
	minimalRange     = 1e-9
	shareTicks       = 5
	importanceShown  = 20
	candidatesShown  = 12
	confusionPercent = 8 // up to so many classes, cells hold percentages too
)

// Titles names each picture for people, in the order in which they are shown.
func Titles() []Title {
	return []Title{
		{Candidates, "Candidates"},
		{PredictedActual, "Predicted against actual"},
		{Residuals, "Residuals"},
		{ConfusionMatrix, "Confusion matrix"},
		{ROC, "ROC curve"},
		{PrecisionRecall, "Precision and recall"},
		{Calibration, "Calibration"},
		{Threshold, "Threshold"},
		{Importance, "Permutation importance"},
		{LearningCurve, "Learning curve"},
	}
}

// Title is a picture's name for programs and for people.
type Title struct{ Name, Title string }

// Draw draws a picture from its numbers, the JSON of the type of package
// evaluate. Errors: not_found for a name that is none, malformed for numbers that
// aren't its own, invalid where there is nothing to draw.
func Draw(name string, numbers []byte) ([]byte, error) {
	const op = "plots.Draw"
	var png []byte
	var err error
	switch name {
	case Candidates:
		png, err = from(numbers, drawCandidates)
	case ConfusionMatrix:
		png, err = from(numbers, drawConfusion)
	case ROC:
		png, err = from(numbers, drawROC)
	case PrecisionRecall:
		png, err = from(numbers, drawPrecisionRecall)
	case Calibration:
		png, err = from(numbers, drawCalibration)
	case Threshold:
		png, err = from(numbers, drawThreshold)
	case PredictedActual:
		png, err = from(numbers, drawPredicted)
	case Residuals:
		png, err = from(numbers, drawResiduals)
	case Importance:
		png, err = from(numbers, drawImportance)
	case LearningCurve:
		png, err = from(numbers, drawLearning)
	default:
		err = perennial.Errorf(perennial.CodeNotFound, "", "%q is no picture", name)
	}
	return png, perennial.Wrap(op, err)
}

// from decodes the numbers of a picture and draws it. The drawing library panics
// on axes that it can't scale; that is an error here.
func from[T any](numbers []byte, draw func(T) ([]byte, error)) (png []byte, err error) {
	var in T
	if err := json.Unmarshal(numbers, &in); err != nil {
		return nil, perennial.Errorf(perennial.CodeMalformed, "", "these are no numbers of this picture").Because(err)
	}
	defer func() {
		if fault := recover(); fault != nil {
			png, err = nil, perennial.Errorf(perennial.CodeInvalid, "", "it can't be drawn: %v", fault)
		}
	}()
	return draw(in)
}

func nothing() error {
	return perennial.Errorf(perennial.CodeInvalid, "", "there is nothing to draw")
}

// figures writes a number for a title or a label: 4 significant digits.
func figures(v float64) string { return fmt.Sprintf("%.4g", v) }

// count writes a number of things.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// short cuts a name to what has room, and leaves out what can't be written.
func short(name string) string {
	var out []rune
	for _, r := range name {
		if r < ' ' || r == 0x7f {
			r = ' '
		}
		out = append(out, r)
	}
	if len(out) > mostNameRunes {
		return string(out[:mostNameRunes-1]) + "…"
	}
	return string(out)
}

// span widens a range so that it has a length and a margin.
func span(low, high, margin float64) (float64, float64) {
	if high-low < minimalRange*math.Max(1, math.Abs(low)) {
		pad := math.Max(1, math.Abs(low)) / 2
		return low - pad, high + pad
	}
	pad := (high - low) * margin
	return low - pad, high + pad
}

// extremes gives the smallest and the largest of some values.
func extremes(values []float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, v := range values {
		low, high = math.Min(low, v), math.Max(high, v)
	}
	return low, high
}
