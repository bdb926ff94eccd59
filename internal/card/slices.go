package card

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/perennial-ml/perennial/models/evaluate"
)

// worstShown is how many slices of a column a card shows, and the best one, where
// the column has more of them.
const worstShown = 10

// slices lists what the model reached on the rows of each value of a column; of
// many values, the worst and the best.
func (c *Card) slices() section {
	if c.Report == nil || len(c.Report.Slices) == 0 {
		return section{}
	}
	shown := []string{c.Select}
	for _, m := range c.Report.Metrics {
		if m.Name != c.Select && len(shown) < 4 {
			shown = append(shown, m.Name)
		}
	}
	out := section{Title: "Slices", Table: &table{Head: append([]string{"Column", "Value", "Rows"}, shown...)}}
	for from, all := 0, c.Report.Slices; from < len(all); {
		to := from + 1
		for to < len(all) && all[to].Column == all[from].Column {
			to++
		}
		of := all[from:to]
		from = to
		list, left := c.notable(of)
		for i, s := range list {
			if left > 0 && i == len(list)-1 {
				out.Table.add(append([]string{s.Column, fmt.Sprintf("(%d more)", left), ""}, make([]string, len(shown))...)...)
			}
			row := []string{s.Column, cmp.Or(s.Value, "(null)"), strconv.Itoa(s.N)}
			for _, name := range shown {
				row = append(row, valueOf(s.Metrics, name))
			}
			out.Table.add(row...)
		}
		if left > 0 {
			out.Lines = append(out.Lines, fmt.Sprintf("Of the %d values of %s the %d worst by %s are shown, and the best; report.json has all.", len(of), of[0].Column, len(list)-1, c.Select))
		}
	}
	return out
}

// notable gives all slices of a column where they are few, else the worst by the
// selecting metric, the worst first, and the best, and counts what it leaves out.
// What has no value of the metric is among that.
func (c *Card) notable(of []evaluate.Slice) (list []evaluate.Slice, left int) {
	metric, known := evaluate.Lookup(c.Select)
	if !known || len(of) <= worstShown+1 {
		return of, 0
	}
	value := func(s evaluate.Slice) (float64, bool) {
		i := slices.IndexFunc(s.Metrics, func(v evaluate.Value) bool { return v.Name == metric.Name })
		if i < 0 {
			return 0, false
		}
		if metric.HigherIsBetter {
			return s.Metrics[i].Value, true
		}
		return -s.Metrics[i].Value, true
	}
	ranked := slices.DeleteFunc(slices.Clone(of), func(s evaluate.Slice) bool { _, ok := value(s); return !ok })
	slices.SortStableFunc(ranked, func(a, b evaluate.Slice) int {
		x, _ := value(a)
		y, _ := value(b)
		return cmp.Compare(x, y)
	})
	if len(ranked) > worstShown+1 {
		ranked = append(ranked[:worstShown:worstShown], ranked[len(ranked)-1])
	}
	return ranked, len(of) - len(ranked)
}
