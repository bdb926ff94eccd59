package mlflow

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/perennial-ml/perennial"
)

// TagLineage is the tag of a version that keeps where it comes from: JSON of a
// perennial.Lineage. What people look for stands in tags of its own besides.
const TagLineage = "perennial.lineage"

// EnsureModel gives the registered model of a name and creates it where there is
// none.
func (t *Tracker) EnsureModel(ctx context.Context, name string) (perennial.RegisteredModel, error) {
	m, err := ensure(ctx, t.c, func() (RegisteredModel, bool, error) {
		m, err := t.registeredModel(ctx, name)
		if perennial.CodeOf(err) == perennial.CodeNotFound {
			return m, false, nil
		}
		return m, err == nil, err
	}, func() (RegisteredModel, error) {
		made, err := create[RegisteredModelAnswer](ctx, t.c, "registered-models/create", CreateRegisteredModel{Name: name})
		return made.RegisteredModel, err
	})
	return domainModel(&m), perennial.Wrap("mlflow.EnsureModel", err)
}

func (t *Tracker) registeredModel(ctx context.Context, name string) (RegisteredModel, error) {
	got, err := get[RegisteredModelAnswer](ctx, t.c, "registered-models/get", url.Values{"name": {name}})
	return got.RegisteredModel, err
}

// GetModel gives a registered model with its aliases and tags.
func (t *Tracker) GetModel(ctx context.Context, name string) (perennial.RegisteredModel, error) {
	m, err := t.registeredModel(ctx, name)
	return domainModel(&m), t.said("mlflow.GetModel", err, "model %s", name)
}

// Models lists all registered models by name, with their aliases and tags.
func (t *Tracker) Models(ctx context.Context) ([]perennial.RegisteredModel, error) {
	query := url.Values{"max_results": {"1000"}, "order_by": {"name ASC"}}
	var out []perennial.RegisteredModel
	for {
		page, err := get[RegisteredModels](ctx, t.c, "registered-models/search", query)
		if err != nil {
			return nil, perennial.Wrap("mlflow.Models", err)
		}
		for i := range page.RegisteredModels {
			out = append(out, domainModel(&page.RegisteredModels[i]))
		}
		if page.NextPageToken == "" {
			return out, nil
		}
		query.Set("page_token", page.NextPageToken)
	}
}

// CreateVersion registers the next version of v.Model, which must exist
// (EnsureModel), from the model that the run v.RunID logged with the content
// v.Lineage.ModelSHA256, else from v.Source. v's Version, Aliases and times are
// ignored. With an op that was used for the model before it gives that version as it
// is now and changes nothing.
func (t *Tracker) CreateVersion(ctx context.Context, v perennial.ModelVersion, op string) (perennial.ModelVersion, error) {
	const operation = "mlflow.CreateVersion"
	in, err := t.versionRequest(ctx, v, op)
	if err != nil {
		return perennial.ModelVersion{}, perennial.Wrap(operation, err)
	}
	filter, err := versionByOp(v.Model, op)
	if err != nil {
		return perennial.ModelVersion{}, perennial.Wrap(operation, err)
	}
	made, err := ensure(ctx, t.c, func() (ModelVersion, bool, error) {
		found, err := get[ModelVersions](ctx, t.c, "model-versions/search", url.Values{"filter": {filter}, "max_results": {"1"}, "order_by": {"version_number ASC"}})
		if err != nil || len(found.ModelVersions) == 0 {
			return ModelVersion{}, false, err
		}
		return found.ModelVersions[0], true, nil
	}, func() (ModelVersion, error) {
		made, err := create[ModelVersionAnswer](ctx, t.c, "model-versions/create", in)
		return made.ModelVersion, err
	})
	return domainVersion(&made), perennial.Wrap(operation, err)
}

func versionByOp(model, op string) (string, error) {
	name, err := equals("", "name", model)
	if err != nil {
		return "", err
	}
	tag, err := equals("tags", perennial.TagOp, op)
	return name + " AND " + tag, err
}

func (t *Tracker) versionRequest(ctx context.Context, v perennial.ModelVersion, op string) (CreateModelVersion, error) {
	in := CreateModelVersion{Name: v.Model, Source: v.Source, RunID: v.RunID}
	if v.RunID != "" {
		run, err := t.run(ctx, v.RunID)
		if err != nil {
			return in, err
		}
		logged, ok, err := t.loggedModel(ctx, &run, LoggedName, v.Lineage.ModelSHA256)
		if err != nil {
			return in, err
		}
		if ok {
			in.ModelID, in.Source = logged.Info.ModelID, "models:/"+logged.Info.ModelID
		}
	}
	lineage, err := json.Marshal(v.Lineage)
	if err != nil {
		return in, err
	}
	l := &v.Lineage
	in.Tags = wireTags(append(slices.Clip(v.Tags),
		perennial.Tag{Key: perennial.TagOp, Value: op}, perennial.Tag{Key: TagLineage, Value: string(lineage)},
		perennial.Tag{Key: perennial.TagModelSHA256, Value: l.ModelSHA256}, perennial.Tag{Key: perennial.TagDataMD5, Value: l.Data.MD5},
		perennial.Tag{Key: perennial.TagAlgorithm, Value: l.Algorithm}, perennial.Tag{Key: perennial.TagCommit, Value: l.ProjectCommit},
		perennial.Tag{Key: perennial.TagWorkflow, Value: l.WorkflowID},
	), MaxRegistryTag)
	return in, nil
}

// GetVersion gives one version with its aliases, tags and lineage. Errors:
// invalid where version is no number, not_found.
func (t *Tracker) GetVersion(ctx context.Context, model, version string) (perennial.ModelVersion, error) {
	const op = "mlflow.GetVersion"
	if n, err := strconv.ParseInt(version, 10, 64); err != nil || n < 1 || strconv.FormatInt(n, 10) != version {
		return perennial.ModelVersion{}, perennial.Errorf(perennial.CodeInvalid, op, "%q is no version: it is a number like 3", version)
	}
	got, err := get[ModelVersionAnswer](ctx, t.c, "model-versions/get", url.Values{"name": {model}, "version": {version}})
	return domainVersion(&got.ModelVersion), t.said(op, err, "model version %s %s", model, version)
}

// Versions lists a model's versions, newest first. A missing model is not_found.
func (t *Tracker) Versions(ctx context.Context, model string) ([]perennial.ModelVersion, error) {
	const op = "mlflow.Versions"
	registered, err := t.registeredModel(ctx, model) // a search gives no aliases, and nothing for a missing model
	if err != nil {
		return nil, t.said(op, err, "model %s", model)
	}
	filter, err := equals("", "name", model)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	query := url.Values{"filter": {filter}, "max_results": {"1000"}, "order_by": {"version_number DESC"}}
	var out []perennial.ModelVersion
	for {
		page, err := get[ModelVersions](ctx, t.c, "model-versions/search", query)
		if err != nil {
			return nil, perennial.Wrap(op, err)
		}
		for i := range page.ModelVersions {
			v := domainVersion(&page.ModelVersions[i])
			v.Aliases = nil
			for _, a := range registered.Aliases {
				if a.Version == v.Version {
					v.Aliases = append(v.Aliases, a.Alias)
				}
			}
			slices.Sort(v.Aliases)
			out = append(out, v)
		}
		if page.NextPageToken == "" {
			return out, nil
		}
		query.Set("page_token", page.NextPageToken)
	}
}

// SetLineage keeps with a version what leads to it. Safe to repeat.
func (t *Tracker) SetLineage(ctx context.Context, model, version string, lineage perennial.Lineage) error {
	const op = "mlflow.SetLineage"
	b, err := json.Marshal(lineage)
	if err != nil {
		return perennial.Wrap(op, err)
	}
	for _, tag := range []Tag{{Key: perennial.TagModelSHA256, Value: lineage.ModelSHA256}, {Key: TagLineage, Value: string(b)}} {
		if _, err := send[Void](ctx, t.c, http.MethodPost, "model-versions/set-tag", VersionTag{Name: model, Version: version, Key: tag.Key, Value: tag.Value}); err != nil {
			return perennial.Wrap(op, err)
		}
	}
	return nil
}

// OpenVersion opens a file below a version's source. Who asks closes it. not_found
// where there is none.
func (t *Tracker) OpenVersion(ctx context.Context, model, version, file string) (io.ReadCloser, error) {
	const op = "mlflow.OpenVersion"
	got, err := get[DownloadURI](ctx, t.c, "model-versions/get-download-uri", url.Values{"name": {model}, "version": {version}})
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	if !fs.ValidPath(file) || strings.Contains(file, "\\") {
		return nil, perennial.Errorf(perennial.CodeNotFound, op, "version %s of %s has no file %q", version, model, file)
	}
	if rest, ofRun := strings.CutPrefix(got.ArtifactURI, "runs:"); ofRun {
		id, folder, _ := strings.Cut(strings.TrimLeft(rest, "/"), "/")
		body, err := t.OpenArtifact(ctx, id, path.Join(folder, file))
		return body, perennial.Wrap(op, err)
	}
	root, err := t.rootOf(got.ArtifactURI)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	body, err := t.open(ctx, path.Join(root, file))
	return body, perennial.Wrap(op, err)
}

// VersionsOfRuns lists the versions that runs made, by model and newest first.
func (t *Tracker) VersionsOfRuns(ctx context.Context, runIDs []string) ([]perennial.ModelVersion, error) {
	var out []perennial.ModelVersion
	for some := range slices.Chunk(runIDs, 50) {
		quoted := make([]string, len(some))
		for i, id := range some {
			quoted[i] = "'" + strings.ReplaceAll(id, "'", "") + "'"
		}
		query := url.Values{"filter": {"run_id IN (" + strings.Join(quoted, ",") + ")"}, "max_results": {"1000"}}
		for {
			page, err := get[ModelVersions](ctx, t.c, "model-versions/search", query)
			if err != nil {
				return nil, perennial.Wrap("mlflow.VersionsOfRuns", err)
			}
			for i := range page.ModelVersions {
				out = append(out, domainVersion(&page.ModelVersions[i]))
			}
			if page.NextPageToken == "" {
				break
			}
			query.Set("page_token", page.NextPageToken)
		}
	}
	number := func(v perennial.ModelVersion) int64 {
		n, _ := strconv.ParseInt(v.Version, 10, 64)
		return n
	}
	slices.SortFunc(out, func(a, b perennial.ModelVersion) int {
		return cmp.Or(strings.Compare(a.Model, b.Model), cmp.Compare(number(b), number(a)))
	})
	return out, nil
}

// DeleteVersion deletes a version; its number is never used again. not_found where
// there is none.
func (t *Tracker) DeleteVersion(ctx context.Context, model, version string) error {
	_, err := send[Void](ctx, t.c, http.MethodDelete, "model-versions/delete", VersionName{Name: model, Version: version})
	return perennial.Wrap("mlflow.DeleteVersion", err)
}

// SetAlias makes an alias point at a version, wherever it pointed before.
func (t *Tracker) SetAlias(ctx context.Context, model, alias, version string) error {
	_, err := send[Void](ctx, t.c, http.MethodPost, "registered-models/alias", ModelAlias{Name: model, Alias: alias, Version: version})
	return perennial.Wrap("mlflow.SetAlias", err)
}

// DeleteAlias removes an alias; one that isn't there is no error.
func (t *Tracker) DeleteAlias(ctx context.Context, model, alias string) error {
	_, err := send[Void](ctx, t.c, http.MethodDelete, "registered-models/alias", ModelAlias{Name: model, Alias: alias})
	return perennial.Wrap("mlflow.DeleteAlias", err)
}

func domainModel(m *RegisteredModel) perennial.RegisteredModel {
	out := perennial.RegisteredModel{
		Name: m.Name, Description: m.Description, CreatedAt: int64(m.CreationTimestamp), UpdatedAt: int64(m.LastUpdatedTimestamp), Tags: domainTags(m.Tags),
	}
	for _, a := range m.Aliases {
		if out.Aliases == nil {
			out.Aliases = map[string]string{}
		}
		out.Aliases[a.Alias] = a.Version
	}
	return out
}

// domainVersion turns a version into ours. One that Perennial didn't register has no
// lineage but its run.
func domainVersion(v *ModelVersion) perennial.ModelVersion {
	out := perennial.ModelVersion{
		Model: v.Name, Version: v.Version, RunID: v.RunID, Source: v.Source, Status: v.Status,
		CreatedAt: int64(v.CreationTimestamp), UpdatedAt: int64(v.LastUpdatedTimestamp), Aliases: slices.Sorted(slices.Values(v.Aliases)),
	}
	for _, tag := range domainTags(v.Tags) {
		if tag.Key != TagLineage {
			out.Tags = append(out.Tags, tag)
			continue
		}
		if json.Unmarshal([]byte(tag.Value), &out.Lineage) != nil {
			out.Lineage = perennial.Lineage{}
		}
	}
	out.Lineage.RunID = cmp.Or(out.Lineage.RunID, out.RunID)
	if sha := tagValue(v.Tags, perennial.TagModelSHA256); out.Lineage.ModelSHA256 == "" {
		out.Lineage.ModelSHA256 = strings.ToLower(sha)
	}
	return out
}
