package dataset

import (
	"cmp"
	"context"
	"maps"
	"slices"
)

// rowDiffer compares rows. It keeps two hashes for each row of the earlier
// version and reads that version again for the examples, so that large files
// don't have to be in memory row by row.
type rowDiffer struct {
	out      RowDiff
	common   []string
	examples int
	was      map[valuesHash][]rowSeen // by key
	is       map[valuesHash][]int     // rows of the later version without an equal, by key
}

func (d *rowDiffer) run(ctx context.Context, a, b *rowScan) error {
	key := d.out.Key
	if len(key) == 0 {
		key = d.common
	}
	d.is = map[valuesHash][]int{}
	var buf []byte
	var k, all valuesHash
	keyAt, allAt := a.pick(key), a.pick(d.common)
	err := a.each(ctx, func(row int, values []string) {
		k, buf = hashValues(buf, values, keyAt)
		all, buf = hashValues(buf, values, allAt)
		d.was[k] = append(d.was[k], rowSeen{all, row})
	})
	if err != nil {
		return err
	}
	keyAt, allAt = b.pick(key), b.pick(d.common)
	err = b.each(ctx, func(row int, values []string) {
		k, buf = hashValues(buf, values, keyAt)
		all, buf = hashValues(buf, values, allAt)
		seen := d.was[k]
		if i := slices.IndexFunc(seen, func(s rowSeen) bool { return s.all == all }); i >= 0 {
			if d.was[k] = slices.Delete(seen, i, i+1); len(d.was[k]) == 0 {
				delete(d.was, k)
			}
			return
		}
		d.is[k] = append(d.is[k], row)
	})
	if err != nil {
		return err
	}
	d.out.Before, d.out.After = a.rows, b.rows
	for _, c := range d.common {
		if x, y := a.kind(c), b.kind(c); x != y && a.rows > 0 && b.rows > 0 {
			d.out.Retyped = append(d.out.Retyped, Retyped{c, x, y})
		}
	}
	return d.show(ctx, a, b, d.pair())
}

// pair makes changes of what is left on both sides: of rows with one key the
// first with the first, and so on.
func (d *rowDiffer) pair() []RowChange {
	var changes []RowChange
	for k, rows := range d.is {
		seen := d.was[k]
		for i, row := range rows {
			if i < len(seen) {
				changes = append(changes, RowChange{Kind: "changed", Row: row, before: seen[i].row})
				d.out.Changed++
			} else {
				changes = append(changes, RowChange{Kind: "added", Row: row})
				d.out.Added++
			}
		}
		d.was[k] = seen[min(len(rows), len(seen)):]
	}
	for _, seen := range d.was {
		for _, s := range seen {
			changes = append(changes, RowChange{Kind: "removed", Row: s.row, before: s.row})
			d.out.Removed++
		}
	}
	order := map[string]int{"changed": 0, "added": 1, "removed": 2}
	slices.SortFunc(changes, func(x, y RowChange) int {
		return cmp.Or(cmp.Compare(order[x.Kind], order[y.Kind]), cmp.Compare(x.Row, y.Row))
	})
	return changes
}

// show fills in the values of the first changes of each kind.
func (d *rowDiffer) show(ctx context.Context, a, b *rowScan, changes []RowChange) error {
	shown := map[string]int{}
	for _, c := range changes {
		if shown[c.Kind]++; shown[c.Kind] <= d.examples {
			d.out.Examples = append(d.out.Examples, c)
		}
	}
	if len(d.out.Examples) == 0 {
		return nil
	}
	needA, needB := map[int]map[string]string{}, map[int]map[string]string{}
	for _, c := range d.out.Examples {
		if c.before > 0 {
			needA[c.before] = nil
		}
		if c.Kind != "removed" {
			needB[c.Row] = nil
		}
	}
	if err := a.fetch(ctx, needA); err != nil {
		return err
	}
	if err := b.fetch(ctx, needB); err != nil {
		return err
	}
	for i := range d.out.Examples {
		c := &d.out.Examples[i]
		values, was := needB[c.Row], needA[c.before]
		if c.Kind == "removed" {
			values = was
		}
		c.Values = maps.Clone(values)
		if len(d.out.Key) > 0 {
			maps.DeleteFunc(c.Values, func(column, _ string) bool { return !slices.Contains(d.out.Key, column) })
		}
		if c.Kind != "changed" {
			continue
		}
		for _, column := range d.common {
			if was[column] != values[column] {
				c.Cells = append(c.Cells, CellChange{column, was[column], values[column]})
			}
		}
	}
	return nil
}

// fetch fills in the values of some rows.
func (s *rowScan) fetch(ctx context.Context, rows map[int]map[string]string) error {
	return s.each(ctx, func(row int, values []string) {
		if _, ok := rows[row]; ok {
			m := make(map[string]string, len(s.names))
			for i, c := range s.names {
				m[c] = values[i]
			}
			rows[row] = m
		}
	})
}
