package evaluate

import (
	"fmt"
	"strings"

	"github.com/perennial-ml/perennial"
)

// Rows of a class that say something about it, at the very least, and how many
// classes with fewer are named.
const (
	scarceRows  = 5
	scarceNamed = 5
)

// ScarceClasses says of which classes (by their names) fewer than five rows were
// scored: metrics tell little of them. "" for none, and for a regression.
func ScarceClasses(o Observed, names []string) string {
	if o.Task != perennial.Classification {
		return ""
	}
	rows := make([]int, len(names))
	for _, y := range o.Y {
		rows[int(y)]++
	}
	var few []string
	for class, n := range rows {
		if n < scarceRows {
			few = append(few, fmt.Sprintf("%s (%d)", names[class], n))
		}
	}
	if len(few) == 0 {
		return ""
	}
	more := len(few) - scarceNamed
	if more > 0 {
		few = append(few[:scarceNamed], fmt.Sprintf("%d more", more))
	}
	return fmt.Sprintf("Of the %d rows held out so few are of some classes that metrics say little about them: %s.", len(o.Y), strings.Join(few, ", "))
}
