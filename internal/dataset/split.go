package dataset

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/perennial-ml/perennial"
)

// splitStream is the second half of the PCG seed, so that a split shares no
// random numbers with anything else that is seeded alike.
const splitStream = 0x73706c6974 // "split"

// Units gives the unit of every row: the group (the column's text, or the
// shortest text of its number) where the split is by group, else the row's key.
// A row without a group is a unit of its own. An unknown column is an error of
// code invalid.
func Units(t *perennial.Table, split perennial.Split) ([]string, error) {
	units := t.Keys()
	if split.By != perennial.SplitGroup {
		return units, nil
	}
	s, coded, err := series(t, split.Column)
	if err != nil {
		return nil, err
	}
	for r := range units {
		if coded {
			if text, ok := s.Text(r); ok {
				units[r] = text
			}
		} else if v := s.Numbers[r]; !math.IsNaN(v) {
			units[r] = strconv.FormatFloat(v, 'g', -1, 64)
		}
	}
	return units, nil
}

// Split decides the sides of the first version of the base data. Units (see
// Units) with one key share a side. A share split.Test of the units is the test
// part, rounded up, at least one and never all:
//
//   - random: drawn with split.Seed (PCG) from the sorted units
//   - stratified: the same within each class of the target, by largest
//     remainders, so that every class keeps its share within one unit; a class
//     of two or more units is on both sides. A unit with several labels counts
//     for the least of them.
//   - group: as random; the units are the groups
//   - time: the units with the latest value of split.Column; a unit is as late
//     as its latest row
//   - given: the units whose first row is listed in given (row indexes from 0);
//     split.Test plays no part
//
// Within the test part a share split.Stream are stream rows
// (perennial.StreamSide). Only `given` looks at the order of the rows. A split
// that the table doesn't allow is an error of code invalid.
func Split(t *perennial.Table, split perennial.Split, given []int) (Sides, error) {
	units, err := Units(t, split)
	if err != nil {
		return nil, err
	}
	test, err := testPart(t, split, units, given)
	if err != nil {
		return nil, err
	}
	sides := make(Sides, len(units))
	for _, u := range units {
		sides[u] = perennial.SideTrain
	}
	if len(test) == 0 || len(test) == len(sides) {
		return nil, lopsided(t.Rows, split, len(test), len(sides))
	}
	for _, u := range test {
		sides[u] = perennial.StreamSide(split.Seed, u, split.Stream)
	}
	return sides, nil
}

// lopsided says why a split has nothing on one side.
func lopsided(rows int, split perennial.Split, test, all int) error {
	const op = "dataset.Split"
	switch {
	case all == 1 && split.By == perennial.SplitGroup:
		return perennial.Errorf(perennial.CodeInvalid, op, "all %d rows are in one group by %s, and a group stays on one side: nothing is left to test on", rows, split.Column).
			WithHint("Take a column that tells more groups apart (split.column), or another split.")
	case all == 1 && rows > 1:
		return perennial.Errorf(perennial.CodeInvalid, op, "all %d rows are alike, and equal rows stay on one side: nothing is left to test on", rows).
			WithHint("Are they different ones? Give the schema the column that names each (role: id), or more features.")
	case split.By == perennial.SplitGiven:
		return perennial.Errorf(perennial.CodeInvalid, op, "the split file %s puts %d of %d distinct rows on the test side; both sides need at least one", split.File, test, all)
	}
	unit := "distinct rows"
	if split.By == perennial.SplitGroup {
		unit = "groups"
	}
	return perennial.Errorf(perennial.CodeInvalid, op, "the split leaves %d of %d %s in the test part; both parts need at least one", test, all, unit).
		WithHint("Add rows, or give the test part another share (split.test).")
}

// testPart gives the units held out.
func testPart(t *perennial.Table, split perennial.Split, units []string, given []int) ([]string, error) {
	if split.By == perennial.SplitGiven {
		return givenUnits(units, given)
	}
	if !(split.Test > 0 && split.Test < 1) {
		return nil, perennial.Errorf(perennial.CodeInvalid, "dataset.Split", "the test share must lie between 0 and 1, not %g", split.Test)
	}
	distinct := slices.Compact(slices.Sorted(slices.Values(units)))
	rng := rand.New(rand.NewPCG(uint64(split.Seed), splitStream)) //nolint:gosec // a reproducible split, no secret
	switch split.By {
	case perennial.SplitRandom, perennial.SplitGroup:
		return draw(rng, distinct, testCount(len(distinct), split.Test)), nil
	case perennial.SplitStratified:
		return stratified(t, rng, units, split.Test)
	case perennial.SplitTime:
		return latest(t, split.Column, units, testCount(len(distinct), split.Test))
	default:
		return nil, perennial.Errorf(perennial.CodeInvalid, "dataset.Split", "there is no split by %q", split.By)
	}
}

// testCount is the share rounded up, but one unit stays for training.
func testCount(n int, share float64) int {
	return max(0, min(n-1, int(math.Ceil(share*float64(n)-1e-9))))
}

// draw gives n of the units, without replacement.
func draw(rng *rand.Rand, units []string, n int) []string {
	rng.Shuffle(len(units), func(i, j int) { units[i], units[j] = units[j], units[i] })
	return units[:n]
}

// givenUnits checks the listed rows and gives the units that they decide.
func givenUnits(units []string, given []int) ([]string, error) {
	const op = "dataset.Split"
	listed := make(map[int]bool, len(given))
	for _, r := range given {
		if r < 0 || r >= len(units) {
			return nil, perennial.Errorf(perennial.CodeInvalid, op, "the split file names row %d, and the data has rows 0 to %d", r, len(units)-1)
		}
		if listed[r] {
			return nil, perennial.Errorf(perennial.CodeInvalid, op, "the split file names row %d twice", r)
		}
		listed[r] = true
	}
	seen := make(map[string]bool, len(units))
	var test []string
	for r, u := range units {
		if !seen[u] && listed[r] {
			test = append(test, u)
		}
		seen[u] = true
	}
	return test, nil
}

// stratified draws from each class of the target.
func stratified(t *perennial.Table, rng *rand.Rand, units []string, share float64) ([]string, error) {
	target, ok := t.Schema.Target()
	if !ok || target.Type != perennial.TypeCategorical {
		return nil, perennial.Errorf(perennial.CodeInvalid, "dataset.Split", "a stratified split needs a categorical target").WithHint("Use split: {by: random} for regression.")
	}
	labels, _, err := series(t, target.Name)
	if err != nil {
		return nil, err
	}
	label := make(map[string]string, len(units))
	for r, u := range units {
		text, _ := labels.Text(r)
		if have, ok := label[u]; !ok || text < have {
			label[u] = text
		}
	}
	byClass := map[string][]string{}
	for _, u := range slices.Sorted(maps.Keys(label)) {
		byClass[label[u]] = append(byClass[label[u]], u)
	}
	classes := slices.Sorted(maps.Keys(byClass))
	sizes := make([]int, len(classes))
	for i, c := range classes {
		sizes[i] = len(byClass[c])
	}
	var test []string
	for i, n := range allot(sizes, share) {
		test = append(test, draw(rng, byClass[classes[i]], n)...)
	}
	return test, nil
}

// allot divides the test part among classes by largest remainders (Hamilton's
// method), ties to the earlier class; then a class of at least two units gets
// at least one and not all, and a class of one gets none.
func allot(sizes []int, share float64) []int {
	total := 0
	for _, n := range sizes {
		total += n
	}
	counts, order, left := make([]int, len(sizes)), make([]int, len(sizes)), testCount(total, share)
	remainder := make([]float64, len(sizes))
	for i, n := range sizes {
		exact := share * float64(n)
		counts[i] = int(exact + 1e-9)
		remainder[i], order[i] = exact-float64(counts[i]), i
		left -= counts[i]
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(remainder[b], remainder[a]) })
	for _, i := range order[:max(0, min(left, len(order)))] {
		counts[i]++
	}
	for i, n := range sizes {
		counts[i] = min(max(counts[i], 1), n-1)
	}
	return counts
}

// latest gives the n units that are latest by a column, ties by unit.
func latest(t *perennial.Table, column string, units []string, n int) ([]string, error) {
	s, coded, err := series(t, column)
	if err != nil {
		return nil, err
	}
	if coded {
		return nil, perennial.Errorf(perennial.CodeInvalid, "dataset.Split", "a split by time needs a date or a number, and %s holds text", column)
	}
	when := make(map[string]float64, len(units))
	for r, u := range units {
		v := s.Numbers[r]
		if math.IsNaN(v) {
			return nil, perennial.Errorf(perennial.CodeInvalid, "dataset.Split", "row %d has no %s, by which the split orders the rows", r, column)
		}
		if have, ok := when[u]; !ok || v > have {
			when[u] = v
		}
	}
	ordered := slices.SortedFunc(maps.Keys(when), func(a, b string) int { return cmp.Or(cmp.Compare(when[a], when[b]), cmp.Compare(a, b)) })
	return ordered[len(ordered)-n:], nil
}

// series finds a column's values; coded says that they are texts.
func series(t *perennial.Table, name string) (s *perennial.Series, coded bool, err error) {
	for i, c := range t.Schema.Columns {
		if c.Name == name && c.Role != perennial.RoleIgnore {
			return &t.Columns[i], c.Role == perennial.RoleID || c.Type == perennial.TypeCategorical, nil
		}
	}
	return nil, false, perennial.Errorf(perennial.CodeInvalid, "dataset.Split", "the split needs the column %s, which the schema doesn't read", fmt.Sprintf("%q", name))
}
