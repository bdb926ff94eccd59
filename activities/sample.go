package activities

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/stats"
)

// bootstrapRows bounds the rows that a training with the bootstrap budget learns
// from, so that a first version is there soon however large the data is.
const bootstrapRows = 20_000

// sample keeps, for the bootstrap budget, the training rows whose units have the
// smallest hashes with the pipeline's seed, so that equal data gives equal rows.
// Every other budget learns from all rows.
func (m *material) sample() {
	if m.bundle.Budget != perennial.BudgetBootstrap || len(m.train) <= bootstrapRows {
		return
	}
	type drawn struct {
		row  int
		hash uint64
	}
	all := make([]drawn, len(m.train))
	for i, row := range m.train {
		h := fnv.New64a()
		_, _ = h.Write([]byte(m.units[row])) // never fails
		all[i] = drawn{row: row, hash: stats.Hash(m.bundle.Spec.Pipeline.Tuning.Seed, h.Sum64())}
	}
	slices.SortFunc(all, func(a, b drawn) int { return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.row, b.row)) })
	m.sampled = fmt.Sprintf("%d of %d training rows", bootstrapRows, len(m.train))
	m.train = m.train[:0:0]
	for _, d := range all[:bootstrapRows] {
		m.train = append(m.train, d.row)
	}
	slices.Sort(m.train)
}
