package mlflow

import (
	"context"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/perennial-ml/perennial"
)

// LogArtifact uploads the bytes of a blob as a file of a run; a file that is there is
// replaced. The path is relative with slashes, without empty, "." and ".." parts.
func (t *Tracker) LogArtifact(ctx context.Context, runID string, a perennial.Artifact) error {
	const op = "mlflow.LogArtifact"
	root, err := t.root(ctx, runID)
	if err != nil {
		return perennial.Wrap(op, err)
	}
	return perennial.Wrap(op, t.upload(ctx, root, a))
}

// upload sends a blob's bytes to a path below a root.
func (t *Tracker) upload(ctx context.Context, root string, a perennial.Artifact) error {
	if !fs.ValidPath(a.Path) || a.Path == "." || strings.ContainsAny(a.Path, "\\\x00#?") || a.Folder {
		return perennial.Errorf(perennial.CodeInvalid, "", "%q is no path of an artifact", a.Path)
	}
	b, err := t.blobs.Get(ctx, a.Blob)
	if err != nil {
		return err
	}
	return t.put(ctx, path.Join(root, a.Path), b)
}

func (t *Tracker) put(ctx context.Context, where string, b []byte) error {
	_, err := t.c.call(ctx, request{method: http.MethodPut, path: artifacts + "/" + escaped(where), body: b, kind: "application/octet-stream"})
	return err
}

// Artifacts lists every file of a run by path, and below its name every file of each
// model that the run logged, as MLflow's own paths runs:/<id>/<path> do. Blobs are
// not known.
func (t *Tracker) Artifacts(ctx context.Context, runID string) ([]perennial.Artifact, error) {
	const op = "mlflow.Artifacts"
	run, err := t.run(ctx, runID)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	root, err := t.rootOf(run.Info.ArtifactURI)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	files, err := t.tree(ctx, root, "")
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	for _, out := range run.Outputs.ModelOutputs {
		m, root, err := t.modelRoot(ctx, out.ModelID)
		if err != nil {
			return nil, perennial.Wrap(op, err)
		}
		more, err := t.tree(ctx, root, "")
		if err != nil {
			return nil, perennial.Wrap(op, err)
		}
		for _, f := range more {
			f.Path = path.Join(m.Info.Name, f.Path)
			files = append(files, f)
		}
	}
	slices.SortStableFunc(files, func(a, b perennial.Artifact) int { return strings.Compare(a.Path, b.Path) })
	return slices.CompactFunc(files, func(a, b perennial.Artifact) bool { return a.Path == b.Path }), nil
}

// maxFolders bounds the calls that one listing may take.
const maxFolders = 1000

// tree lists every file below a folder of a root, paths relative to the root.
func (t *Tracker) tree(ctx context.Context, root, folder string) ([]perennial.Artifact, error) {
	var out []perennial.Artifact
	folders := []string{folder}
	for n := 0; n < len(folders) && n < maxFolders; n++ {
		list, err := document[ArtifactList](ctx, t.c, request{method: http.MethodGet, path: artifacts, query: url.Values{"path": {path.Join(root, folders[n])}}})
		if err != nil {
			return nil, err
		}
		for _, f := range list.Files {
			where := path.Join(folders[n], path.Base(f.Path))
			if f.IsDir {
				folders = append(folders, where)
				continue
			}
			a := perennial.Artifact{Path: where}
			if f.FileSize != nil {
				a.Size = int64(*f.FileSize)
			}
			out = append(out, a)
		}
	}
	return out, nil
}

// OpenArtifact reads a file of a run, or of a model that the run logged, by the path
// that Artifacts gives it. Who asks closes it. A missing file is not_found.
func (t *Tracker) OpenArtifact(ctx context.Context, runID, file string) (io.ReadCloser, error) {
	const op = "mlflow.OpenArtifact"
	if !fs.ValidPath(file) || strings.Contains(file, "\\") {
		return nil, missingFile(op, runID, file)
	}
	root, err := t.root(ctx, runID)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	body, err := t.open(ctx, path.Join(root, file))
	if perennial.CodeOf(err) != perennial.CodeNotFound {
		return body, perennial.Wrap(op, err)
	}
	name, rest, ok := strings.Cut(file, "/")
	if !ok {
		return nil, missingFile(op, runID, file)
	}
	run, err := t.run(ctx, runID)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	for _, out := range slices.Backward(run.Outputs.ModelOutputs) {
		m, root, err := t.modelRoot(ctx, out.ModelID)
		if err != nil {
			return nil, perennial.Wrap(op, err)
		}
		if m.Info.Name != name {
			continue
		}
		if body, err = t.open(ctx, path.Join(root, rest)); perennial.CodeOf(err) != perennial.CodeNotFound {
			return body, perennial.Wrap(op, err)
		}
	}
	return nil, missingFile(op, runID, file)
}

func missingFile(op, runID, file string) error {
	return perennial.Errorf(perennial.CodeNotFound, op, "the run %s has no file %q", runID, file)
}

// ReadArtifact gives the content of a file of a run; see OpenArtifact.
func (t *Tracker) ReadArtifact(ctx context.Context, runID, file string) ([]byte, error) {
	body, err := t.OpenArtifact(ctx, runID, file)
	if err != nil {
		return nil, err
	}
	defer body.Close() //nolint:errcheck // read to its end
	b, err := io.ReadAll(body)
	if err != nil {
		return nil, t.c.unreachable(ctx, request{method: http.MethodGet, path: artifacts}, err)
	}
	return b, nil
}

func (t *Tracker) open(ctx context.Context, where string) (io.ReadCloser, error) {
	var body io.ReadCloser
	err := t.c.patiently(ctx, false, func() (err error) {
		body, err = t.c.open(ctx, request{method: http.MethodGet, path: artifacts + "/" + escaped(where)})
		return err
	})
	return body, err
}

// root gives where a run's artifacts lie, as a path of the artifact routes.
func (t *Tracker) root(ctx context.Context, runID string) (string, error) {
	t.mu.Lock()
	uri, known := t.roots[runID]
	t.mu.Unlock()
	if !known {
		run, err := t.run(ctx, runID)
		if err != nil {
			return "", err
		}
		uri = run.Info.ArtifactURI
	}
	return t.rootOf(uri)
}

// rootOf turns an artifact URI into a path of the server's artifact routes. Artifacts
// that the server doesn't pass on itself are out of reach: precondition.
func (t *Tracker) rootOf(uri string) (string, error) {
	u, err := url.Parse(uri)
	base, _ := url.Parse(t.c.base)
	if err == nil && u.Scheme == "mlflow-artifacts" && (u.Host == "" || base != nil && u.Host == base.Host) {
		if root := strings.Trim(u.Path, "/"); fs.ValidPath(root) {
			return root, nil
		}
	}
	if t.Embedded() {
		return "", perennial.Errorf(perennial.CodePrecondition, "", "the files lie at %s, which Perennial doesn't read", uri).
			WithHint("Log the model to Perennial's own server, where its files are kept, and register it from there.")
	}
	return "", perennial.Errorf(perennial.CodePrecondition, "", "the MLflow server %s keeps artifacts at %s and doesn't pass them on", t.c.shown, uri).
		WithHint("Start it with --serve-artifacts (its default) and --artifacts-destination, and let new experiments use its default location.")
}

// escaped writes a path for a request.
func escaped(p string) string {
	parts := strings.Split(p, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}
