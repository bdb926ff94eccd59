package tune

import (
	"cmp"
	"maps"
	"slices"
)

// TimeFolds splits n rows into at most k pairs of training and test rows for
// cross-validation in the order of time: every test row comes later than every
// row trained on (forward chaining, as scikit-learn's TimeSeriesSplit). Rows are
// given ascending.
//
// when holds the time of each row. groups holds a group name for each row, or is
// nil; the rows of a group share a fold, and the group is as late as its latest
// row. The groups in order of time are cut into k+1 parts of about equal size,
// never between equal times; fold i trains on the first i parts and is scored on
// the next one. Fewer than k+1 different times give fewer folds, one none.
// TimeFolds panics where when or groups have another length than n.
func TimeFolds(n int, when []float64, groups []string, k int) (train, test [][]int) {
	members := group(n, groups)
	late := make([]float64, len(members))
	for i, rows := range members {
		late[i] = when[rows[0]]
		for _, r := range rows[1:] {
			late[i] = max(late[i], when[r])
		}
	}
	order := make([]int, len(members))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(late[a], late[b]) })
	borders := cuts(order, late, k+1)
	for i := 1; i+1 < len(borders); i++ {
		train = append(train, rowsOf(members, order[:borders[i]]))
		test = append(test, rowsOf(members, order[borders[i]:borders[i+1]]))
	}
	return train, test
}

// cuts gives the borders of so many parts of about equal size, or fewer: 0, the
// beginning of each later part, and the end. Each lies where the time changes.
func cuts(order []int, late []float64, parts int) []int {
	n := len(order)
	borders := map[int]bool{0: true, n: true}
	for p := 1; p < parts; p++ {
		at := p * n / parts
		up, down := at, at
		for up < n && up > 0 && late[order[up]] == late[order[up-1]] {
			up++
		}
		for down < n && down > 0 && late[order[down]] == late[order[down-1]] {
			down--
		}
		if down > 0 && at-down < up-at {
			up = down
		}
		borders[up] = true
	}
	return slices.Sorted(maps.Keys(borders))
}

func rowsOf(members [][]int, picked []int) []int {
	var rows []int
	for _, i := range picked {
		rows = append(rows, members[i]...)
	}
	slices.Sort(rows)
	return rows
}
