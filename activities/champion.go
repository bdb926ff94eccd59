package activities

import (
	"context"
	"fmt"
	"slices"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dataset"
	"github.com/perennial-ml/perennial/internal/pipeline"
	"github.com/perennial-ml/perennial/judge"
	"github.com/perennial-ml/perennial/models"
	"github.com/perennial-ml/perennial/models/evaluate"
)

// champion scores the version in service again, on those of this run's held-out
// rows that it wasn't trained on; nil where nothing is in service. Where the
// present data can't be put before it (a column that it needs is gone), or it was
// imported, it has no rows, a gate that compares with it can't be measured, and
// warning says why.
func (a *Activities) champion(ctx context.Context, m *material, model *models.Model) (out *judge.Champion, warning string, err error) {
	name := m.bundle.Spec.Pipeline.Name
	row, err := a.Traffic.Get(ctx, name)
	if err != nil || row.Champion == "" {
		return nil, "", err
	}
	version, err := a.Tracker.GetVersion(ctx, name, row.Champion)
	if err != nil {
		return nil, "", err
	}
	champion, err := a.modelFile(ctx, "sha256:"+version.Lineage.ModelSHA256)
	if err != nil {
		return nil, "", err
	}
	if !slices.Equal(champion.Classes(), model.Classes()) {
		return nil, "", perennial.Errorf(perennial.CodePrecondition, "champion", "version %s knows the classes %q and the new model %q: they can't be compared", row.Champion, champion.Classes(), model.Classes()).
			WithHint("A model with other classes is another contract: give the pipeline another name.")
	}
	if version.Lineage.Imported != nil {
		out = &judge.Champion{Version: row.Champion, Observed: evaluate.Observed{Task: model.Task(), Classes: len(model.Classes())}}
		return out, fmt.Sprintf("Version %s, in service, was imported: which rows it was trained on isn't known, so that no fair comparison can be made.", row.Champion), nil
	}
	b, err := a.Blobs.Get(ctx, "sha256:"+version.Lineage.Data.Sides)
	if err != nil {
		return nil, "", err
	}
	trainedOn, err := dataset.DecodeSides(b)
	if err != nil {
		return nil, "", err
	}
	out = &judge.Champion{Version: row.Champion, Observed: evaluate.Observed{Task: model.Task(), Classes: len(model.Classes())}}
	seen, err := a.asSeenBy(ctx, m, version)
	if perennial.CodeOf(err) == perennial.CodeInvalid {
		message, _, _ := perennial.Explain(err)
		return out, fmt.Sprintf("Version %s, in service, can't be compared with: %s", row.Champion, message), nil
	}
	if err != nil {
		return nil, "", err
	}
	var rows []int
	for i, r := range m.evaluate {
		if trainedOn[seen.units[r]] != perennial.SideTrain {
			out.Rows, rows = append(out.Rows, i), append(rows, r)
		}
	}
	out.Observed, err = observe(champion, seen.table, rows)
	return out, "", err
}

// view is the present data as an earlier version read it: its columns, and the
// units by which it was told which rows to train on.
type view struct {
	table *perennial.Table
	units []string // per row
}

// asSeenBy reads the present data by the schema and the split of the pipeline
// revision that a version was trained with. A row's key is made of its features,
// so that under another schema the same row has another key: only the version's
// own keys tell which rows it was trained on. The error is invalid where the
// data doesn't fit that schema any more.
func (a *Activities) asSeenBy(ctx context.Context, m *material, version perennial.ModelVersion) (view, error) {
	now := &m.bundle.Spec
	then, err := a.Pipelines.Revision(ctx, now.Pipeline.Name, version.Lineage.PipelineRevision)
	unknown := perennial.CodeOf(err) == perennial.CodeNotFound
	if err != nil && !unknown {
		return view{}, err
	}
	if unknown || sameRows(now, then) {
		return view{table: m.table, units: m.units}, nil
	}
	if now.Pipeline.Data.Target != then.Pipeline.Data.Target {
		return view{}, perennial.Errorf(perennial.CodeInvalid, "", "it predicts %s, not %s", then.Pipeline.Data.Target, now.Pipeline.Data.Target)
	}
	content, err := a.Blobs.Get(ctx, "md5:"+m.bundle.Data.MD5)
	if err != nil {
		return view{}, err
	}
	t, _, err := dataset.Read(ctx, m.bundle.Data.Path, content, &then.Schema, then.Pipeline.Data.CSV)
	if err != nil {
		return view{}, err
	}
	if t.Rows != m.table.Rows {
		return view{}, perennial.Errorf(perennial.CodeInvalid, "", "it reads %d rows where there are %d now", t.Rows, m.table.Rows)
	}
	units, err := dataset.Units(t, then.Pipeline.Split)
	return view{table: t, units: units}, err
}

// sameRows reports whether two revisions read the same table and name its rows
// alike.
func sameRows(a, b *pipeline.Spec) bool {
	unit := func(s *pipeline.Spec) string {
		if s.Pipeline.Split.By == perennial.SplitGroup {
			return s.Pipeline.Split.Column
		}
		return ""
	}
	return dataset.SchemaSHA256(&a.Schema) == dataset.SchemaSHA256(&b.Schema) && digest(a.Pipeline.Data.CSV) == digest(b.Pipeline.Data.CSV) && unit(a) == unit(b)
}
