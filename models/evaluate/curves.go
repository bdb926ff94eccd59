package evaluate

import (
	"slices"

	"github.com/perennial-ml/perennial"
)

// Bounds of what a picture shows; the numbers beside it say what was left out.
const (
	maxCurves = 8    // classes with a curve of their own
	maxPoints = 1000 // of one curve
)

// ROC holds receiver operating characteristics: of the positive class of two, or
// of each class against the rest.
type ROC struct {
	Rows    int        `json:"rows"`
	Curves  []ROCCurve `json:"curves"`
	Omitted int        `json:"omitted_classes,omitempty"` // classes without a curve: rarer than the 8 shown, or without rows
}

// ROCCurve is scikit-learn's roc_curve: the rates of false and true positives
// where rows whose score is at least the threshold are called positive, points
// on a straight line left out. Thresholds[i] belongs to point i+1; point 0 is
// (0, 0), where nothing is called positive.
type ROCCurve struct {
	Class      string    `json:"class"`
	Positives  int       `json:"positives"` // rows of the class
	AUC        float64   `json:"auc"`       // over all points
	FPR        []float64 `json:"fpr"`
	TPR        []float64 `json:"tpr"`
	Thresholds []float64 `json:"thresholds"`
	Thinned    bool      `json:"thinned,omitempty"` // to 1000 points, evenly
}

// PrecisionRecall holds precision against recall: of the positive class of two,
// or of each class against the rest.
type PrecisionRecall struct {
	Rows    int       `json:"rows"`
	Curves  []PRCurve `json:"curves"`
	Omitted int       `json:"omitted_classes,omitempty"`
}

// PRCurve is scikit-learn's precision_recall_curve(drop_intermediate=True) in
// ascending recall. Point 0 is recall 0 with precision 1, by convention;
// Thresholds[i] belongs to point i+1.
type PRCurve struct {
	Class            string    `json:"class"`
	Positives        int       `json:"positives"`
	AveragePrecision float64   `json:"average_precision"` // over all points
	Recall           []float64 `json:"recall"`
	Precision        []float64 `json:"precision"`
	Thresholds       []float64 `json:"thresholds"`
	Thinned          bool      `json:"thinned,omitempty"`
}

// step is a threshold with the positive and negative rows at or above it.
type step struct{ threshold, tp, fp float64 }

// steps gives one step for each distinct score, highest first; ok is false where
// a score is NaN or a side has no rows.
func steps(s *sample, class int) (out []step, ok bool) {
	var tp, fp float64
	rows, i := s.order(class), 0
	ok = s.ties(class, -1, func(p, n float64) {
		score := rows[i].score
		i += int(p + n)
		tp, fp = tp+p, fp+n
		out = append(out, step{score, tp, fp})
	})
	return out, ok && tp > 0 && fp > 0
}

// NewROC gives the ROC curves of a classification with probabilities; ok is
// false where there is nothing to draw.
func NewROC(o Observed, classNames []string) (out ROC, ok bool) {
	out.Rows = len(o.Y)
	out.Omitted, ok = eachClass(o, classNames, func(name string, auc, _ float64, s []step) {
		positives, negatives := s[len(s)-1].tp, s[len(s)-1].fp
		curve := ROCCurve{Class: name, Positives: int(positives), AUC: auc, FPR: []float64{0}, TPR: []float64{0}, Thresholds: []float64{}}
		s, curve.Thinned = thin(corners(s))
		for _, p := range s {
			curve.FPR = append(curve.FPR, p.fp/negatives)
			curve.TPR = append(curve.TPR, p.tp/positives)
			curve.Thresholds = append(curve.Thresholds, p.threshold)
		}
		out.Curves = append(out.Curves, curve)
	})
	return out, ok
}

// NewPrecisionRecall gives the precision-recall curves of a classification with
// probabilities; ok is false where there is nothing to draw.
func NewPrecisionRecall(o Observed, classNames []string) (out PrecisionRecall, ok bool) {
	out.Rows = len(o.Y)
	out.Omitted, ok = eachClass(o, classNames, func(name string, _, average float64, s []step) {
		positives := s[len(s)-1].tp
		curve := PRCurve{Class: name, Positives: int(positives), AveragePrecision: average, Recall: []float64{0}, Precision: []float64{1}, Thresholds: []float64{}}
		s, curve.Thinned = thin(rises(s))
		for _, p := range s {
			curve.Recall = append(curve.Recall, p.tp/positives)
			curve.Precision = append(curve.Precision, p.tp/(p.tp+p.fp))
			curve.Thresholds = append(curve.Thresholds, p.threshold)
		}
		out.Curves = append(out.Curves, curve)
	})
	return out, ok
}

// eachClass calls draw for every class that gets a curve and counts the others;
// drawn is false where there is none.
func eachClass(o Observed, classNames []string, draw func(name string, auc, averagePrecision float64, s []step)) (omitted int, drawn bool) {
	if o.Task != perennial.Classification || o.Proba == nil || o.Validate() != nil || len(classNames) != o.Classes {
		return 0, false
	}
	shown, omitted := o.shown()
	once := newSample(o)
	for _, class := range shown {
		s, ok := steps(once, class)
		if !ok {
			omitted++
			continue
		}
		draw(classNames[class], once.auc(class, -1), once.averagePrecision(class), s)
		drawn = true
	}
	return omitted, drawn
}

// shown are the classes that pictures show one by one, in their order: the
// positive one of two, else the most frequent ones, at most 8.
func (o Observed) shown() (classes []int, omitted int) {
	if o.Classes == 2 {
		return []int{o.positive()}, 0
	}
	classes = mostFrequent(o, maxCurves)
	return classes, o.Classes - len(classes)
}

// mostFrequent gives the most frequent classes of the truth, the lower index
// first among equals, in ascending order.
func mostFrequent(o Observed, most int) []int {
	count := make([]int, o.Classes)
	for _, y := range o.Y {
		count[int(y)]++
	}
	classes := make([]int, o.Classes)
	for c := range classes {
		classes[c] = c
	}
	slices.SortStableFunc(classes, func(a, b int) int { return count[b] - count[a] })
	classes = classes[:min(most, len(classes))]
	slices.Sort(classes)
	return classes
}

// corners leaves out the points between two steps in the same direction, as
// roc_curve(drop_intermediate=True) does.
func corners(s []step) []step {
	var out []step
	for i := range s {
		if i == 0 || i == len(s)-1 || s[i+1].tp-s[i].tp != s[i].tp-s[i-1].tp || s[i+1].fp-s[i].fp != s[i].fp-s[i-1].fp {
			out = append(out, s[i])
		}
	}
	return out
}

// rises leaves out the points where recall neither has just risen nor is about to,
// as precision_recall_curve(drop_intermediate=True) does.
func rises(s []step) []step {
	var out []step
	for i := range s {
		last := i == len(s)-1
		if i == 0 || last || s[i].tp != s[i-1].tp || s[i+1].tp != s[i].tp {
			out = append(out, s[i])
		}
	}
	return out
}

// thin keeps at most maxPoints points, evenly by their order, with both ends.
func thin[T any](points []T) (kept []T, thinned bool) {
	n := len(points)
	if n <= maxPoints {
		return points, false
	}
	kept = make([]T, maxPoints)
	for i := range kept {
		kept[i] = points[i*(n-1)/(maxPoints-1)]
	}
	return kept, true
}
