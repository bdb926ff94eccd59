package tracking

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"gorm.io/gorm"

	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

// source is what a version's source was found to be.
type source struct {
	location string     // URI of the files
	modelID  string     // of the logged model, "" where it is none
	runID    string     // that made it, "" where none is known
	version  versionRow // that it is a copy of
	named    string     // what the source is called, "" as it came
}

// resolveSource finds the files that a version shall be made of, and refuses a
// source that reaches beyond the run or logged model that is named with it.
func resolveSource(tx *gorm.DB, in *mlflow.CreateModelVersion) (source, error) {
	from := source{location: in.Source, runID: in.RunID}
	var model loggedModelRow
	if in.ModelID != "" {
		var err error
		if model, err = lockLoggedModel(tx, in.ModelID); err == nil && model.LifecycleStage != stageActive {
			err = noLoggedModel(in.ModelID)
		}
		if err != nil {
			return source{}, err
		}
		from.modelID, from.runID = model.ModelID, cmp.Or(in.RunID, model.SourceRunID)
	}
	if slices.ContainsFunc(in.Tags, func(t mlflow.Tag) bool { return t.Key == mlflow.TagIsPrompt }) {
		return from, nil // a prompt's source is no file
	}
	scheme, rest, hasScheme := strings.Cut(in.Source, ":")
	var err error
	switch {
	case in.Source == "":
		return source{}, mlflow.Invalid("Missing value for required parameter 'source'.")
	case !relative(in.Source):
		return source{}, badSource(in.Source, "It must not hold '..' or backslashes.")
	case !hasScheme, strings.EqualFold(scheme, "file"), len(scheme) == 1: // one letter: a drive
		err = within(tx, in, model.ArtifactURI)
	case scheme == "models":
		return modelSource(tx, in, from, &model, rest)
	case scheme == "runs":
		from.location, err = runSource(tx, in, rest)
	case scheme+":" == artifactScheme:
		err = within(tx, in, model.ArtifactURI)
	case slices.Contains(hostSchemes, strings.ToLower(scheme)):
		err = badSource(in.Source, "A source of the scheme "+scheme+" names a host of its own, which no server reads from.")
	}
	return from, err
}

// hostSchemes are the schemes of sources that name the host to read from. MLflow's
// server refuses them, so that nobody makes it ask any host.
var hostSchemes = []string{"ftp", "sftp", "hdfs", "viewfs", "http", "https", "r2", "b2", "abfss"}

func badSource(came, why string) error {
	return mlflow.Invalid("Invalid model version source: '%s'. %s", clip(came), why)
}

// relative reports whether a source stays where its beginning says.
func relative(text string) bool {
	_, after, found := strings.Cut(text, ":")
	if !found {
		after = text
	}
	if after = strings.Trim(after, "/"); after == "" {
		return true
	}
	for part := range strings.SplitSeq(after, "/") {
		if part == "" || part == "." {
			continue
		}
		if _, err := escapedPath(part); err != nil {
			return false
		}
	}
	return true
}

// modelSource resolves models:/<model id>, models:/<name>/<version> and
// models:/<name>@<alias>. A version is copied with its run and its logged model.
func modelSource(tx *gorm.DB, in *mlflow.CreateModelVersion, from source, logged *loggedModelRow, rest string) (source, error) {
	rest = strings.TrimLeft(rest, "/")
	if ownerRE.MatchString(rest) && strings.HasPrefix(rest, "m-") {
		if in.ModelID != rest {
			return source{}, badSource(in.Source, "The model_id request parameter must identify the resource that contains the source.")
		}
		from.location = logged.ArtifactURI
		return from, nil
	}
	name, version, isVersion := strings.Cut(rest, "/")
	row, found, err := versionRow{}, false, error(nil)
	if model, alias, isAlias := strings.Cut(rest, "@"); !isVersion && isAlias {
		row, found, err = aliased(tx, model, alias)
	} else if number, bad := strconv.ParseInt(version, 10, 64); bad == nil {
		row, found, err = db.Take[versionRow](tx.Where("name = ? AND version = ?", name, number))
	}
	switch {
	case err != nil:
		return source{}, err
	case !found:
		return source{}, badSource(in.Source, "There is no such version.")
	case in.RunID != "" && in.RunID != row.RunID, in.ModelID != "" && in.ModelID != row.ModelID:
		return source{}, badSource(in.Source, "The run_id and model_id request parameters must match the referenced model version.")
	}
	if row.ModelID != "" { // locked for the note of the new version
		if _, _, err := db.Take[loggedModelRow](forUpdate(tx).Where("model_id = ?", row.ModelID)); err != nil {
			return source{}, err
		}
	}
	return source{
		location: cmp.Or(row.StorageLocation, row.Source), modelID: row.ModelID, runID: row.RunID,
		version: row, named: "models:/" + row.Name + "/" + strconv.FormatInt(row.Version, 10),
	}, nil
}

// runSource resolves runs:/<run id>/<path>, where the path may begin with the name of
// a model that the run logged. Of a run that there isn't the source stays as it is:
// MLflow doesn't look.
func runSource(tx *gorm.DB, in *mlflow.CreateModelVersion, rest string) (string, error) {
	id, path, _ := strings.Cut(strings.TrimLeft(rest, "/"), "/")
	if id == "" || in.RunID != id {
		return "", badSource(in.Source, "The run_id request parameter must identify the resource that contains the source.")
	}
	run, found, err := db.Take[runRow](tx.Where("run_id = ?", id))
	if err != nil || !found {
		return in.Source, err
	}
	name, below, _ := strings.Cut(path, "/")
	model, found, err := db.Take[loggedModelRow](tx.Order("creation_time DESC").
		Where("experiment_id = ? AND name = ? AND source_run_id = ? AND lifecycle_stage = ?", run.ExperimentID, name, id, stageActive))
	if err != nil || found {
		return join(model.ArtifactURI, below), err
	}
	return join(strings.TrimSuffix(run.ArtifactURI, "/"), path), nil
}

// within refuses files that lie outside the run, or the logged model, that is
// named with them; model is where that one's lie.
func within(tx *gorm.DB, in *mlflow.CreateModelVersion, model string) error {
	roots := []string{model}
	if in.RunID != "" {
		run, _, err := db.Take[runRow](tx.Where("run_id = ?", in.RunID))
		if err != nil {
			return err
		}
		roots = append(roots, run.ArtifactURI)
	}
	for _, root := range roots {
		if root != "" && contains(root, in.Source) {
			return nil
		}
	}
	return badSource(in.Source, "The run_id request parameter must identify the resource that contains the source.")
}

// contains reports whether a URI is a root or lies below it. Hosts of our own
// scheme are passed over: the client puts in its own.
func contains(root, uri string) bool {
	if ours, ok := rootOf(root); ok {
		path, ok := rootOf(uri)
		return ok && (path == ours || strings.HasPrefix(path, ours+"/"))
	}
	root = strings.TrimSuffix(root, "/")
	return uri == root || strings.HasPrefix(uri, root+"/")
}
