package models

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"sync"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/imported"
	"github.com/perennial-ml/perennial/models/preprocess"
	"github.com/perennial-ml/perennial/models/tree"
)

// TrainerImported is the trainer in the provenance of a model that another
// library trained.
const TrainerImported = "imported"

// Import makes a model of a LightGBM or XGBoost file for the features, categories
// and classes of a schema; what the schema leaves open is taken from the file.
// The model answers rows as the library does (package imported says how exactly),
// has an empty profile, and can't be trained. source tells what was in the file.
//
// Errors are those of imported.Parse and imported.Bind.
func Import(ctx context.Context, file []byte, schema *perennial.Schema) (m *Model, source *imported.Model, err error) {
	const op = "models.Import"
	if source, err = imported.Parse(file); err != nil {
		return nil, nil, perennial.Wrap(op, err)
	}
	bound, err := source.Bind(schema)
	if err != nil {
		return nil, nil, perennial.Wrap(op, err)
	}
	m = &Model{head: head{Task: source.Task, Schema: bound.Schema, Algorithm: string(source.Format), Params: Params{}}}
	if err := m.derive(); err != nil {
		return nil, nil, perennial.Wrap(op, err)
	}
	if err := m.asIs(ctx); err != nil {
		return nil, nil, perennial.Wrap(op, err)
	}
	m.predictor = newForeign(bound.Trees, bound.ZeroIsNull)
	sum := sha256.Sum256(file)
	m.prov = Provenance{Trainer: TrainerImported, SourceSHA256: hex.EncodeToString(sum[:])}
	return m, source, nil
}

// asIs makes the preparation hand on every value as it is encoded, and the
// profile that of no rows.
func (m *Model) asIs(ctx context.Context) (err error) {
	none := preprocess.Rows{Read: func(int, int, []float64) {}}
	if m.profile, err = newProfile(ctx, m.features, none); err != nil {
		return err
	}
	takes := preprocess.Takes{Null: true, Categories: true, Unscaled: true}
	m.prep, _, err = preprocess.Fit(ctx, m.head.Preprocess, takes, m.features, none)
	return err
}

// foreignAlgorithms are the algorithms that models of other libraries have. They
// can be read from a model file but not fitted, so they aren't in the registry.
var foreignAlgorithms = []entry{
	{Algorithm: Algorithm{Name: string(imported.LightGBM), Tasks: bothTasks, Doc: "Trees trained by LightGBM."}, decode: decodeForeign},
	{Algorithm: Algorithm{Name: string(imported.XGBoost), Tasks: bothTasks, Doc: "Trees trained by XGBoost."}, decode: decodeForeign},
}

var bothTasks = []perennial.Task{perennial.Classification, perennial.Regression}

// lookupAny finds an algorithm that a model file may name.
func lookupAny(name string) (*entry, bool) {
	if e, ok := lookup(name); ok {
		return e, true
	}
	return lookupForeign(name)
}

func lookupForeign(name string) (*entry, bool) {
	i := slices.IndexFunc(foreignAlgorithms, func(e entry) bool { return e.Name == name })
	if i < 0 {
		return nil, false
	}
	return &foreignAlgorithms[i], true
}

// foreign is a fitted model of another library.
type foreign struct {
	trees *tree.Ensemble
	fast  *tree.Compiled
	zero  []int // features whose 0 counts as missing (LightGBM's zero_as_missing)
	rows  sync.Pool
}

func newForeign(trees *tree.Ensemble, zeroIsNull []bool) *foreign {
	f := &foreign{trees: trees, fast: tree.Compile(trees)}
	for i, is := range zeroIsNull {
		if is {
			f.zero = append(f.zero, i)
		}
	}
	f.rows.New = func() any { return &[]float64{} }
	return f
}

// Predict answers one row.
func (f *foreign) Predict(x, out []float64) {
	if len(f.zero) == 0 {
		f.fast.Predict(x, out)
		return
	}
	f.PredictBatch(x, out, 1)
}

// PredictBatch answers many rows.
func (f *foreign) PredictBatch(x, out []float64, rows int) {
	if len(f.zero) == 0 {
		f.fast.PredictBatch(x, out, rows)
		return
	}
	own, _ := f.rows.Get().(*[]float64)
	*own = append((*own)[:0], x...)
	for r := range rows {
		row := (*own)[r*f.trees.Features:]
		for _, i := range f.zero {
			if math.Abs(row[i]) <= imported.ZeroBand {
				row[i] = math.NaN()
			}
		}
	}
	f.fast.PredictBatch(*own, out, rows)
	f.rows.Put(own)
}

// Encode gives the varint number of zero features, each of them as a varint, and
// the trees.
func (f *foreign) Encode() ([]byte, error) {
	b := binary.AppendUvarint(nil, uint64(len(f.zero)))
	for _, i := range f.zero {
		b = binary.AppendUvarint(b, uint64(i)) //nolint:gosec // not negative
	}
	trees, err := f.trees.Encode()
	return append(b, trees...), err
}

func decodeForeign(b []byte, width, outputs int) (Predictor, error) {
	broken := perennial.Errorf(perennial.CodeMalformed, "models.decodeForeign", "the list of features without zeros is broken")
	next := func() (int, bool) {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > math.MaxInt32 {
			return 0, false
		}
		b = b[n:]
		return int(v), true
	}
	count, ok := next()
	if !ok || count > len(b) {
		return nil, broken
	}
	zero := make([]bool, width)
	for range count {
		i, ok := next()
		if !ok || i >= width || zero[i] {
			return nil, broken
		}
		zero[i] = true
	}
	trees, err := tree.Decode(b, width, outputs)
	if err != nil {
		return nil, err
	}
	return newForeign(trees, zero), nil
}
