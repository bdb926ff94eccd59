package card

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/perennial-ml/perennial/models/evaluate"
)

// number writes a number with 5 significant digits.
func number(v float64) string {
	if math.Abs(v) >= 1e5 && math.Abs(v) < 1e15 && v == math.Trunc(v) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.5g", v)
}

// seconds writes a time with 3 significant digits.
func seconds(v float64) string { return fmt.Sprintf("%.3g", v) }

func interval(i *[2]float64) string {
	if i == nil {
		return ""
	}
	return number(i[0]) + " to " + number(i[1])
}

// valueOf finds a metric's value; "" where it couldn't be measured.
func valueOf(list []evaluate.Value, name string) string {
	for _, v := range list {
		if v.Name == name {
			return number(v.Value)
		}
	}
	return ""
}

func rows(n int) string {
	if n == 1 {
		return "1 row"
	}
	return fmt.Sprintf("%d rows", n)
}

// share writes a part of a whole in percent.
func share(part, whole int) string {
	if whole == 0 {
		return ""
	}
	return number(100*float64(part)/float64(whole)) + " %"
}

func bytes(n float64) string {
	if n >= 1<<30 {
		return fmt.Sprintf("%.2f GiB", n/(1<<30))
	}
	return fmt.Sprintf("%.0f MiB", n/(1<<20))
}

// some lists the first names and counts the others.
func some(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// span writes when something began and how long it took; times are ms.
func span(from, to int64) string {
	if from == 0 {
		return ""
	}
	text := time.UnixMilli(from).UTC().Format(time.RFC3339)
	if to > from {
		text += ", " + (time.Duration(to-from) * time.Millisecond).Round(100*time.Millisecond).String()
	}
	return text
}
