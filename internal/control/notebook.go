package control

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dataset"
	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/models"
)

// Sources reads what a version was registered with, and keeps what was made of it
// (internal/mlflow).
type Sources interface {
	// OpenVersion opens a file below a version's source. not_found where there is none.
	OpenVersion(ctx context.Context, model, version, path string) (io.ReadCloser, error)
	// SetLineage keeps with a version what leads to it. Safe to repeat.
	SetLineage(ctx context.Context, model, version string, lineage perennial.Lineage) error
	GetRun(ctx context.Context, id string) (perennial.Run, error)
}

// The most bytes that are read of a version's description and of its model file.
const (
	maxMLmodel    = 1 << 20
	maxModelFile  = 96 << 20
	saveAsBooster = "Log the booster itself: mlflow.%[1]s.log_model(%[2]s, name=…, registered_model_name=%[3]q), then start that version."
)

// Servable makes sure that a version has a model file that can be served. One that
// a notebook registered has none: the model that LightGBM or XGBoost saved there is
// read, turned into a model file for the rows that the model's champion takes (or,
// where nothing is in service, those of its pipeline), and remembered with the
// version. Safe to repeat: the same file gives the same bytes.
//
// Errors: not_found for an unknown version; invalid, malformed and too_large for a
// model that can't be read or that doesn't fit those rows, with the reason;
// precondition where nothing says which rows they are.
func (c *Control) Servable(ctx context.Context, model, version string) error {
	const op = "control.Servable"
	v, err := c.o.Registry.GetVersion(ctx, model, version)
	if err != nil || v.Lineage.ModelSHA256 != "" || c.o.Sources == nil {
		return perennial.Wrap(op, err)
	}
	return perennial.Wrap(op, c.adopt(ctx, v))
}

// adopt makes the model file of a version that a notebook registered.
func (c *Control) adopt(ctx context.Context, v perennial.ModelVersion) error {
	library, flavor, err := c.flavor(ctx, v)
	if err != nil {
		return err
	}
	file, err := c.sourceFile(ctx, v, flavor.Path, maxModelFile)
	if err != nil {
		return err
	}
	l, served := &v.Lineage, file
	if library == ownFlavor {
		m, err := models.Decode(file)
		if err != nil {
			return err
		}
		l.Algorithm, l.SchemaSHA256 = m.Algorithm(), dataset.SchemaSHA256(m.Schema())
		if err := c.fromTwin(ctx, v, file, l); err != nil {
			return err
		}
	} else if served, err = c.foreign(ctx, v.Model, flavor, file, l); err != nil {
		return err
	}
	key := ""
	err = insist(ctx, func(bool) (err error) {
		key, err = c.o.Files.Put(ctx, served)
		return err
	})
	if err != nil {
		return err
	}
	l.RunID, l.ModelSHA256, l.Build = cmp.Or(l.RunID, v.RunID), strings.TrimPrefix(key, "sha256:"), cmp.Or(l.Build, c.o.Build)
	if err := c.fromRun(ctx, l); err != nil {
		return err
	}
	if err := insist(ctx, func(bool) error { return c.o.Sources.SetLineage(ctx, v.Model, v.Version, *l) }); err != nil {
		return err
	}
	return c.record(ctx, perennial.AuditEntry{Action: "model.import", Target: v.Model, After: state(map[string]any{
		"version": v.Version, "run_id": v.RunID, "library": library, "file": flavor.Path, "model_sha256": l.ModelSHA256,
	})})
}

// fromTwin takes over what leads to another version of the model with the same file:
// this one was registered from the same run again.
func (c *Control) fromTwin(ctx context.Context, v perennial.ModelVersion, file []byte, l *perennial.Lineage) error {
	sum := sha256.Sum256(file)
	versions, err := c.o.Imports.Versions(ctx, v.Model)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(versions, func(t perennial.ModelVersion) bool {
		return t.RunID == v.RunID && t.Lineage.ModelSHA256 == hex.EncodeToString(sum[:]) && t.Lineage.ParamsSHA256 != ""
	})
	if at >= 0 {
		*l = versions[at].Lineage
	}
	return nil
}

// foreign turns a file of another library into a model file for the model's rows.
func (c *Control) foreign(ctx context.Context, model string, flavor mlflow.Flavor, file []byte, l *perennial.Lineage) ([]byte, error) {
	schema, err := c.contract(ctx, model)
	if err != nil {
		return nil, err
	}
	i, served, err := convert(ctx, model, path.Base(flavor.Path), file, schema)
	if err != nil {
		return nil, err
	}
	l.Algorithm, l.SchemaSHA256, l.Imported = i.fitted.Algorithm(), i.schema, &i.lineage
	return served, nil
}

// fromRun adds what the notebook's run says of its data and code.
func (c *Control) fromRun(ctx context.Context, l *perennial.Lineage) error {
	if l.RunID == "" {
		return nil
	}
	run, err := c.o.Sources.GetRun(ctx, l.RunID)
	if perennial.CodeOf(err) == perennial.CodeNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	l.ProjectCommit = cmp.Or(l.ProjectCommit, run.Tag(perennial.TagCommit))
	if l.Data.MD5 == "" {
		l.Data.MD5 = run.Tag(perennial.TagDataMD5)
		l.Data.BaseMD5 = l.Data.MD5
	}
	return nil
}

// ownFlavor is the flavor of models that Perennial trained.
const ownFlavor = "perennial"

// flavor tells which file of a version holds the model, and refuses what can't be
// read, with advice.
func (c *Control) flavor(ctx context.Context, v perennial.ModelVersion) (library string, f mlflow.Flavor, err error) {
	const op = "control.flavor"
	b, err := c.sourceFile(ctx, v, "MLmodel", maxMLmodel)
	if perennial.CodeOf(err) == perennial.CodeNotFound {
		return "", f, c.nothingThere(ctx, v)
	}
	if err != nil {
		return "", f, err
	}
	flavors, err := mlflow.ParseFlavors(b)
	if err != nil {
		return "", f, err
	}
	for _, library := range []string{ownFlavor, "lightgbm", "xgboost"} {
		f, ok := flavors[library]
		switch {
		case !ok || f.Path == "":
		case strings.HasSuffix(f.Path, ".pkl") || strings.HasSuffix(f.Path, ".skops"):
			booster := "model.booster_"
			if library == "xgboost" {
				booster = "model.get_booster()"
			}
			return "", f, perennial.Errorf(perennial.CodeInvalid, op, "Version %s of %s holds %s as Python objects (%s), which Perennial never loads.", v.Version, v.Model, cmp.Or(f.Class, "a model"), f.Path).
				WithHint(saveAsBooster, library, booster, v.Model)
		default:
			return library, f, nil
		}
	}
	return "", f, perennial.Errorf(perennial.CodeInvalid, op, "Version %s of %s holds a model of %s, which Perennial can't serve.", v.Version, v.Model, mlflow.FlavorNames(flavors)).
		WithHint("It serves models of LightGBM and XGBoost, and those of its own pipelines.")
}

// nothingThere refuses a version that has no description of a model, and says why.
// MLflow takes a version of anything: of a run that is deleted or never was, and of
// a path at which nothing lies.
func (c *Control) nothingThere(ctx context.Context, v perennial.ModelVersion) error {
	why := "there is no file MLmodel at " + v.Source
	if v.RunID != "" {
		run, err := c.o.Sources.GetRun(ctx, v.RunID)
		switch {
		case perennial.CodeOf(err) == perennial.CodeNotFound:
			why = "its run " + v.RunID + " doesn't exist, and " + why
		case err != nil:
			return err
		case run.LifecycleStage == mlflow.LifecycleDeleted:
			why = "its run " + v.RunID + " is deleted, and " + why
		}
	}
	return perennial.Errorf(perennial.CodeInvalid, "control.flavor", "Version %s of %s has no model file that can be served: %s.", v.Version, v.Model, why).
		WithHint("Register one with mlflow.lightgbm.log_model or mlflow.xgboost.log_model, or import a file: perennial import %s FILE --schema F", v.Model)
}

// sourceFile reads a file that a version was registered with.
func (c *Control) sourceFile(ctx context.Context, v perennial.ModelVersion, name string, most int64) ([]byte, error) {
	const op = "control.sourceFile"
	r, err := c.o.Sources.OpenVersion(ctx, v.Model, v.Version, name)
	if err != nil {
		return nil, err
	}
	defer r.Close() //nolint:errcheck // it is read to its end, or the error is told
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, perennial.Errorf(perennial.CodeUnavailable, op, "The file %s of version %s of %s can't be read to its end.", name, v.Version, v.Model).Because(err)
	}
	if int64(len(b)) > most {
		return nil, perennial.Errorf(perennial.CodeTooLarge, op, "The file %s of version %s of %s has more than %d MiB.", name, v.Version, v.Model, most>>20)
	}
	return b, nil
}

// contract gives the rows that a model's versions must take: those of its
// champion, and where nothing is in service those of its pipeline.
func (c *Control) contract(ctx context.Context, model string) (*perennial.Schema, error) {
	row, err := c.o.Traffic.Get(ctx, model)
	if err != nil {
		return nil, err
	}
	if row.Champion == "" {
		spec, err := c.o.Pipelines.Get(ctx, model)
		if perennial.CodeOf(err) == perennial.CodeNotFound {
			return nil, perennial.Errorf(perennial.CodePrecondition, "control.contract", "Nothing says which rows %s takes: it has neither a version in service nor a pipeline.", model).
				WithHint("Apply a pipeline of that name, or import the model with its schema: perennial import %s FILE --schema F", model)
		}
		if err != nil {
			return nil, err
		}
		return &spec.Schema, nil
	}
	champion, err := c.o.Registry.GetVersion(ctx, model, row.Champion)
	if err != nil {
		return nil, err
	}
	b, err := c.o.Blobs.Get(ctx, "sha256:"+champion.Lineage.ModelSHA256)
	if err != nil {
		return nil, err
	}
	m, err := models.Decode(b)
	if err != nil {
		return nil, err
	}
	return m.Schema(), nil
}
