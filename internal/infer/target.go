package infer

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/perennial-ml/perennial"
)

const (
	minRows    = 5
	maxClasses = 1000 // as models takes
	fewClasses = 10   // whole numbers with at most so many different values are classes
	learnable  = 5    // rows of a class below which it is told of, and not counted on
	rare       = 0.2  // a share below which the smaller of two classes is rare
	gated      = 20   // rows of a regression from which on R² can be asked for
	maxText    = 1000 // bytes of a category or a class
)

// aim is what is predicted, and what follows from its values.
type aim struct {
	task     perennial.Task
	why      string
	column   perennial.Column
	missing  int // rows without a target
	rows     int // rows with one
	classes  []string
	counts   map[string]int
	positive string
	word     string  // the class whose name says positive, where the other one is chosen
	share    float64 // of the smallest class
	smallest string
	whole    bool // the classes are whole numbers, more than two
}

// uneven reports whether one of two classes is so rare that accuracy says little.
func (a *aim) uneven() bool { return len(a.classes) == 2 && a.share < rare }

// rare reports whether that is the positive class, and has rows enough for the
// folds and the held-out side to hold some each.
func (a *aim) rare() bool {
	return a.uneven() && a.positive == a.smallest && a.counts[a.smallest] >= learnable
}

// guessing is the log loss of the classes' shares, in nats: their entropy.
func (a *aim) guessing() float64 {
	sum := 0.0
	for _, v := range a.classes { // in their order: the sum must not depend on the map's
		p := float64(a.counts[v]) / float64(a.rows)
		sum -= p * math.Log(p)
	}
	return sum
}

// goals decides the task.
func (s *survey) goals(f *form, o *Options) (*aim, error) {
	c := s.target
	a := &aim{missing: f.missing(c)}
	a.rows = s.rows - a.missing
	a.column = perennial.Column{Name: c.name, Role: perennial.RoleTarget}
	counts, k := c.textCounts(f), f.kind(c)
	if err := s.badTarget(c, k, a, counts); err != nil {
		return nil, err
	}
	number := k == kindNumber
	classes := !number || len(counts) == 2 || o.Positive != "" ||
		c.whole == c.numbers[f.way] && counts != nil && len(counts) <= fewClasses && len(counts)*5 <= a.rows
	switch o.Task {
	case perennial.Classification:
		classes = true
	case perennial.Regression:
		if !number {
			return nil, refuse(s.file, 0, "the target %s can't be predicted as a number: it holds texts like %q", c.name, firstText(counts))
		}
		classes = false
	}
	if !classes {
		a.regression(c, f, len(counts))
		return a, nil
	}
	if counts == nil || len(counts) > maxClasses {
		if o.Positive != "" {
			return nil, refuse(s.file, 0, "--positive is for a target of two values, and %s has more than %d", c.name, maxClasses)
		}
		return nil, refuse(s.file, 0, "the target %s has more than %d different values, too many for classes", c.name, maxClasses)
	}
	a.classification(counts, number)
	return a, s.positive(a, o)
}

// badTarget refuses columns that can't be predicted.
func (s *survey) badTarget(c *column, k kind, a *aim, counts map[string]int) error {
	switch {
	case k == kindEmpty:
		return refuse(s.file, 0, "the target %s is empty in every row", c.name)
	case a.rows < minRows:
		return refuse(s.file, 0, "only %d of %d rows have a target (%s); at least %d are needed", a.rows, s.rows, c.name, minRows)
	case len(counts) == 1:
		return refuse(s.file, 0, "the target %s has the value %q in every row: there is nothing to predict", c.name, firstText(counts))
	case k == kindDate && !c.dates.failed && len(counts) != 2:
		return refuse(s.file, 0, "the target %s holds dates, which can't be predicted", c.name).WithHint("Make a number of it, like the days until then.")
	case k == kindOdd:
		return refuse(s.file, 0, "the target %s holds numbers in another form than the rest of the file, like %q", c.name, firstText(counts)).
			WithHint("Write them with the decimal sign and the thousands separator of the other columns, and one unit.")
	case k == kindText && c.cells > 20 && c.numbers[0]*10 > c.cells*8:
		return refuse(s.file, c.line, "the target %s holds numbers, but %d of its %d values are none, like %q", c.name, c.cells-c.numbers[0], c.cells, firstText(c.others)).
			WithHint("Mend these cells, or leave them empty: rows without a target are left out.")
	case c.longest > maxText:
		return refuse(s.file, c.longLine, "the target %s has a text of %d bytes here; a class has at most %d", c.name, c.longest, maxText).
			WithHint("Is a quote not closed? Mend this row, or leave its target empty: rows without one are left out.")
	case k == kindText && !c.again && c.cells >= 20:
		return refuse(s.file, 0, "the target %s has another text in every row: nothing can be learned from that", c.name)
	}
	return nil
}

func firstText(counts map[string]int) string {
	if len(counts) == 0 {
		return ""
	}
	return shorten(slices.Min(slices.Collect(maps.Keys(counts))))
}

func (a *aim) regression(c *column, f *form, distinct int) {
	a.task = perennial.Regression
	a.column.Type = perennial.TypeNumeric
	many := strconv.Itoa(distinct)
	if distinct == 0 {
		many = fmt.Sprintf("more than %d", maxDistinct)
	}
	a.why = fmt.Sprintf("numbers with %s different values from %s to %s", many, short(c.low[f.way]), short(c.high[f.way]))
	a.column.Range, a.column.OutOfRange = roomy(c.low[f.way], c.high[f.way], false), perennial.RangeWarn
}

func (a *aim) classification(counts map[string]int, number bool) {
	a.task, a.counts = perennial.Classification, counts
	a.classes = slices.SortedFunc(maps.Keys(counts), func(x, y string) int {
		u, errX := strconv.ParseFloat(x, 64)
		v, errY := strconv.ParseFloat(y, 64)
		if errX == nil && errY == nil {
			return cmp.Or(cmp.Compare(u, v), cmp.Compare(x, y))
		}
		return cmp.Compare(x, y)
	})
	a.column.Type, a.column.Values = perennial.TypeCategorical, a.classes
	least := math.MaxInt
	for _, v := range a.classes {
		if counts[v] < least {
			least, a.smallest = counts[v], v
		}
	}
	a.share = float64(least) / float64(a.rows)
	switch {
	case len(a.classes) == 2:
		a.why = fmt.Sprintf("two values, %s and %s", a.classes[0], a.classes[1])
	case number:
		a.whole = true
		a.why = fmt.Sprintf("whole numbers with %d different values only, taken as classes; --task regression takes them as numbers", len(a.classes))
	default:
		a.why = fmt.Sprintf("texts with %d different values", len(a.classes))
	}
}

// positives are the values, in lower case, that name the positive class.
var positives = []string{"yes", "true", "1", "1.0", "y", "t", "positive", "pos", "malignant", "fraud", "spam", "churned", "leave", "left", "default", "bad", "fail", "failed", "dead", "died", "sick", "ill", "abnormal"}

// positive chooses the positive class of two.
func (s *survey) positive(a *aim, o *Options) error {
	if o.Positive != "" {
		if len(a.classes) != 2 {
			return refuse(s.file, 0, "--positive is for a target of two values, and %s has %d", a.column.Name, len(a.classes))
		}
		if !slices.Contains(a.classes, o.Positive) {
			return refuse(s.file, 0, "--positive %s is none of the values of %s: %s", o.Positive, a.column.Name, strings.Join(a.classes, ", "))
		}
		a.positive = o.Positive
		return nil
	}
	if len(a.classes) != 2 {
		return nil
	}
	a.positive = a.smallest
	for _, word := range positives {
		i := slices.IndexFunc(a.classes, func(v string) bool { return strings.ToLower(v) == word })
		switch {
		case i < 0:
			continue
		case !a.uneven():
			a.positive = a.classes[i]
		case a.classes[i] != a.smallest:
			a.word = a.classes[i] // nearly every row has it: nothing is to be found there
		}
		break
	}
	return nil
}

// short writes a number for people, with six digits at most.
func short(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// round rounds to a multiple of a power of ten, to the float64 that is nearest to
// it: a product with a power of ten has stray digits.
func round(v float64, exponent int, to func(float64) float64) float64 {
	scaled := v / math.Pow10(exponent)
	if exponent < 0 {
		scaled = v * math.Pow10(-exponent)
	}
	n, err := strconv.ParseFloat(fmt.Sprintf("%.0fe%d", to(scaled), exponent), 64)
	if err != nil { // beyond the range of float64
		return v
	}
	return n
}

// roomy gives round bounds just outside of the lowest and highest value: in
// steps of a tenth of the span's power of ten. Bounds of whole numbers are whole,
// and values of one sign keep it.
func roomy(low, high float64, whole bool) *[2]float64 {
	span := high - low
	if span <= 0 {
		span = math.Abs(high)
	}
	if span == 0 || math.IsInf(span, 0) {
		return &[2]float64{low, high}
	}
	exponent := int(math.Floor(math.Log10(span))) - 1
	r := &[2]float64{round(low, exponent, math.Floor), round(high, exponent, math.Ceil)}
	if whole {
		r[0], r[1] = math.Floor(r[0]), math.Ceil(r[1])
	}
	if low >= 0 {
		r[0] = max(r[0], 0)
	}
	if high <= 0 {
		r[1] = min(r[1], 0)
	}
	return &[2]float64{min(r[0], low) + 0, max(r[1], high) + 0}
}
