package activities

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dataset"
	"github.com/perennial-ml/perennial/internal/ledger"
)

// ValidateInput names the bundle whose data is checked.
type ValidateInput struct {
	Bundle string `json:"bundle"`
	RunID  string `json:"run_id"`
}

// Validated counts what was read.
type Validated struct {
	Rows     int `json:"rows"`
	Warnings int `json:"warnings"`
}

// ValidateDataset checks every row of the data against the schema. A fault is
// an error of code invalid that lists the lines; warnings are kept on the run.
// Safe to repeat: it reads, and writes the same tag.
func (a *Activities) ValidateDataset(ctx context.Context, in ValidateInput) (Validated, error) {
	const op = "ValidateDataset"
	ctx, stop := heartbeat(ctx)
	defer stop()
	bundle, err := getJSON[Bundle](ctx, a.Blobs, in.Bundle)
	if err != nil {
		return Validated{}, perennial.Wrap(op, err)
	}
	t, err := a.table(ctx, &bundle)
	if err != nil {
		return Validated{}, perennial.Wrap(op, err)
	}
	out := Validated{Rows: t.Rows}
	told, err := classes(t.Table)
	if err != nil {
		return Validated{}, perennial.Wrap(op, err)
	}
	for _, w := range t.report.Warnings {
		out.Warnings += w.Count
		told = append(told, fmt.Sprintf("%d × %s", w.Count, w.Message))
	}
	if len(told) == 0 {
		return out, nil
	}
	err = a.Tracker.LogBatch(ctx, in.RunID, nil, nil, []perennial.Tag{{Key: "perennial.data_warnings", Value: strings.Join(told, " ")}})
	return out, perennial.Wrap(op, err)
}

// SplitInput names the bundle to split.
type SplitInput struct {
	Bundle string `json:"bundle"`
	RunID  string `json:"run_id"`
}

// Snapshot is a data set with the side of every row, by hash.
type Snapshot struct {
	Key     string `json:"key"` // of the snapshot document
	Rows    int    `json:"rows"`
	Train   int    `json:"train"`
	Holdout int    `json:"holdout"`
	Stream  int    `json:"stream"`
	Reused  bool   `json:"reused"` // the very same snapshot was there already
}

// SplitDataset gives every row its side: the first version of a pipeline's base
// data is split as the pipeline says, later rows join by their key with that first
// split's seed and share, and no row ever changes sides. Safe to repeat: the first base side table written wins,
// everything else is content-addressed.
func (a *Activities) SplitDataset(ctx context.Context, in SplitInput) (Snapshot, error) {
	const op = "SplitDataset"
	ctx, stop := heartbeat(ctx)
	defer stop()
	bundle, err := getJSON[Bundle](ctx, a.Blobs, in.Bundle)
	if err != nil {
		return Snapshot{}, perennial.Wrap(op, err)
	}
	t, err := a.table(ctx, &bundle)
	if err != nil {
		return Snapshot{}, perennial.Wrap(op, err)
	}
	base, sides, err := a.baseSides(ctx, &bundle, t)
	if err != nil {
		return Snapshot{}, perennial.Wrap(op, err)
	}
	split := bundle.Spec.Pipeline.Split
	units, err := dataset.Units(t.Table, split)
	if err != nil {
		return Snapshot{}, perennial.Wrap(op, err)
	}
	seed, sides := extend(base, split, sides, units)
	sidesKey, err := a.Blobs.Put(ctx, sides.Encode())
	if err != nil {
		return Snapshot{}, perennial.Wrap(op, err)
	}
	data := bundle.Data
	data.Sides = hexOf(sidesKey)
	snapshot := dataset.NewSnapshot(data, &bundle.Spec.Schema, seed, units, sides)
	reused, err := a.Blobs.Has(ctx, "sha256:"+snapshot.SHA256())
	if err != nil {
		return Snapshot{}, perennial.Wrap(op, err)
	}
	key, err := a.Blobs.Put(ctx, snapshot.Encode())
	if err != nil {
		return Snapshot{}, perennial.Wrap(op, err)
	}
	data = snapshot.Data
	data.Snapshot = hexOf(key)
	if err := a.Tracker.LogInput(ctx, in.RunID, perennial.DatasetInput{Context: "training", Data: data}, &bundle.Spec.Schema); err != nil {
		return Snapshot{}, perennial.Wrap(op, err)
	}
	if err := a.tellLeaks(ctx, &bundle, t, units, sides, in.RunID); err != nil {
		return Snapshot{}, perennial.Wrap(op, err)
	}
	return Snapshot{
		Key: key, Rows: data.Rows, Reused: reused,
		Train: snapshot.Rows[perennial.SideTrain], Holdout: snapshot.Rows[perennial.SideHoldout], Stream: snapshot.Rows[perennial.SideStream],
	}, nil
}

// tellLeaks puts signs of a leak on the run. They stop nothing.
func (a *Activities) tellLeaks(ctx context.Context, bundle *Bundle, t *loadedTable, units []string, sides dataset.Sides, runID string) error {
	p := bundle.Spec.Pipeline
	train, test := sides.Rows(units, perennial.SideTrain), sides.Rows(units, perennial.SideHoldout, perennial.SideStream)
	told, err := dataset.Leaks(ctx, t.Table, p.Split.By, p.Task, train, test)
	if err != nil || len(told) == 0 {
		return err
	}
	return a.Tracker.LogBatch(ctx, runID, nil, nil, []perennial.Tag{{Key: "perennial.leak_warnings", Value: strings.Join(told, " ")}})
}

// extend gives later rows their sides, by the seed and share of the first split
// where those are known, and gives the seed.
func extend(base ledger.BaseSides, split perennial.Split, sides dataset.Sides, units []string) (int64, dataset.Sides) {
	if base.Test == 0 {
		base.Seed, base.Test = split.Seed, split.Test
	}
	return base.Seed, dataset.Extend(sides, units, base.Seed, base.Test)
}

// baseSides gives the pipeline's base side table, making it from this data
// where the pipeline has none yet.
func (a *Activities) baseSides(ctx context.Context, bundle *Bundle, t *loadedTable) (ledger.BaseSides, dataset.Sides, error) {
	name := bundle.Spec.Pipeline.Name
	base, ok, err := a.Ledger.BaseSides(ctx, name)
	if err != nil {
		return base, nil, err
	}
	if !ok {
		split := bundle.Spec.Pipeline.Split
		sides, err := dataset.Split(t.Table, split, bundle.Spec.Given)
		if err != nil {
			return base, nil, err
		}
		key, err := a.Blobs.Put(ctx, sides.Encode())
		if err != nil {
			return base, nil, err
		}
		if base, err = a.Ledger.SaveBaseSides(ctx, ledger.BaseSides{Pipeline: name, BaseMD5: bundle.Data.MD5, Sides: key, Seed: split.Seed, Test: split.Test}); err != nil {
			return base, nil, err
		}
	}
	sides, err := a.decodeSides(ctx, base.Sides)
	return base, sides, err
}

// loadedTable is a parsed data set with what was noticed while reading it.
type loadedTable struct {
	*perennial.Table
	report dataset.Report
}

// tableCache keeps the table last read, because all stages of a training read
// the same one.
type tableCache struct {
	mu    sync.Mutex
	key   string
	table *loadedTable
}

// table reads a bundle's data. It keeps the last one in memory.
func (a *Activities) table(ctx context.Context, b *Bundle) (*loadedTable, error) {
	key := fmt.Sprintf("%s %s %s", b.Data.MD5, b.schemaSHA256(), digest(b.Spec.Pipeline.Data.CSV))
	a.tables.mu.Lock()
	defer a.tables.mu.Unlock()
	if a.tables.key == key {
		return a.tables.table, nil
	}
	a.tables.key, a.tables.table = "", nil
	defer collect()
	content, err := a.Blobs.Get(ctx, "md5:"+b.Data.MD5)
	if err != nil {
		return nil, err
	}
	t, report, err := dataset.Read(ctx, b.Data.Path, content, &b.Spec.Schema, b.Spec.Pipeline.Data.CSV)
	if err != nil {
		return nil, err
	}
	a.tables.key, a.tables.table = key, &loadedTable{Table: t, report: report}
	return a.tables.table, nil
}

// material is what fitting and scoring read: the table and its rows by side. It
// is never changed.
type material struct {
	bundle   Bundle
	snapshot dataset.Snapshot
	table    *perennial.Table
	units    []string // per row
	train    []int
	sampled  string // which part of the training side train is; "": all of it
	evaluate []int  // holdout, and stream too in a reference snapshot
	folds    func() (*crossValidation, error)
}

// materialCache keeps the material last read, because each batch of trials reads
// the same one.
type materialCache struct {
	mu       sync.Mutex
	key      string
	material *material
}

// load reads what a bundle and a snapshot name. It keeps the last one in memory,
// and gives back what the step before left there.
func (a *Activities) load(ctx context.Context, bundleKey, snapshotKey string) (*material, error) {
	key := bundleKey + " " + snapshotKey
	a.materials.mu.Lock()
	defer a.materials.mu.Unlock()
	defer collect()
	if a.materials.key == key {
		return a.materials.material, nil
	}
	a.materials.key, a.materials.material = "", nil
	m, err := a.readMaterial(ctx, bundleKey, snapshotKey)
	if err != nil {
		return nil, err
	}
	a.materials.key, a.materials.material = key, m
	return m, nil
}

// readMaterial reads what a bundle and a snapshot name and checks that no key
// stands both among the training and the evaluation rows. With a million rows
// each of its steps takes a second or so, so that it looks at ctx between them.
func (a *Activities) readMaterial(ctx context.Context, bundleKey, snapshotKey string) (*material, error) {
	bundle, err := getJSON[Bundle](ctx, a.Blobs, bundleKey)
	if err != nil {
		return nil, err
	}
	snapshot, err := a.snapshot(ctx, snapshotKey)
	if err != nil {
		return nil, err
	}
	t, err := a.table(ctx, &bundle)
	if err != nil {
		return nil, err
	}
	sides, err := a.decodeSides(ctx, "sha256:"+snapshot.Data.Sides)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	units, err := dataset.Units(t.Table, bundle.Spec.Pipeline.Split)
	if err != nil {
		return nil, err
	}
	m := &material{bundle: bundle, snapshot: snapshot, table: t.Table, units: units}
	m.train, m.folds = sides.Rows(units, perennial.SideTrain), sync.OnceValues(m.deal)
	scored := []perennial.Side{perennial.SideHoldout}
	if snapshot.Data.FeedbackRows == 0 {
		scored = append(scored, perennial.SideStream)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.evaluate = sides.Rows(units, scored...)
	if err := dataset.CheckLeak(pick(units, m.train), pick(units, m.evaluate)); err != nil {
		return nil, err
	}
	m.sample()
	return m, ctx.Err()
}

// snapshot reads a stored snapshot.
func (a *Activities) snapshot(ctx context.Context, key string) (dataset.Snapshot, error) {
	b, err := a.Blobs.Get(ctx, key)
	if err != nil {
		return dataset.Snapshot{}, err
	}
	return dataset.DecodeSnapshot(b)
}

func pick[T any](all []T, rows []int) []T {
	out := make([]T, len(rows))
	for i, r := range rows {
		out[i] = all[r]
	}
	return out
}

// hexOf strips the algorithm from a blob key.
func hexOf(key string) string {
	for i := range key {
		if key[i] == ':' {
			return key[i+1:]
		}
	}
	return key
}
