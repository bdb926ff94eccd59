package control

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/datastore"
	"github.com/perennial-ml/perennial/internal/pipeline"
)

// Applied changes which pipelines are in force (internal/pipeline).
type Applied interface {
	Get(ctx context.Context, name string) (*pipeline.Spec, error)
	Apply(ctx context.Context, spec *pipeline.Spec, now int64) (changed bool, err error)
	Delete(ctx context.Context, name string) error
}

// Datasets changes which content stands behind a data path (internal/datastore).
type Datasets interface {
	Get(ctx context.Context, path string) (datastore.Dataset, error)
	Register(ctx context.Context, d datastore.Dataset) (stored datastore.Dataset, changed bool, err error)
}

// Apply checks a pipeline's files and puts it in force. The same content again
// changes nothing. Every fault of all files is an error of code invalid with file
// and line; so is a name that isn't the one asked for.
func (c *Control) Apply(ctx context.Context, name string, req client.ApplyRequest) (client.ApplyResponse, error) {
	const op = "control.Apply"
	var none client.ApplyResponse
	if _, err := authorise(ctx, op, perennial.AccessTrainer); err != nil {
		return none, err
	}
	spec, err := pipeline.LoadFiles(req.Files, req.File)
	if err != nil {
		return none, perennial.Wrap(op, err)
	}
	if spec.Pipeline.Name != name {
		return none, perennial.Errorf(perennial.CodeInvalid, op, "The file's pipeline is %s, not %s.", spec.Pipeline.Name, name)
	}
	before, err := c.revision(ctx, name)
	if err != nil {
		return none, perennial.Wrap(op, err)
	}
	after, now, changed := state(map[string]string{"revision": spec.Revision}), c.o.Now().UnixMilli(), false
	err = insist(ctx, func(again bool) (err error) {
		changed, err = c.o.Applied.Apply(ctx, spec, now)
		changed = changed || again && !bytes.Equal(before, after)
		return err
	})
	if err != nil {
		return none, perennial.Wrap(op, err)
	}
	c.pipelineChanged(name)
	c.broken.mended(name, req.File)
	out := client.ApplyResponse{Pipeline: name, Revision: spec.Revision, Changed: changed}
	if !changed {
		return out, nil
	}
	return out, c.record(ctx, perennial.AuditEntry{
		Action: "pipeline.apply", Target: name, Reason: req.Reason, Before: before, After: after,
	})
}

// broken are the pipeline files that couldn't be put in force.
type broken struct {
	mu    sync.Mutex
	files []client.PipelineFault
}

// mended forgets a pipeline, or a file, that is in force now.
func (b *broken) mended(name, file string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.files = slices.DeleteFunc(slices.Clone(b.files), func(f client.PipelineFault) bool { return f.Pipeline == name || f.File == file })
}

// PipelineFaults lists the project's files that couldn't be put in force when
// this process started, and weren't since. InForce isn't filled in.
func (c *Control) PipelineFaults() []client.PipelineFault {
	c.broken.mu.Lock()
	defer c.broken.mu.Unlock()
	return slices.Clone(c.broken.files)
}

// Delete takes a pipeline out of force. Its runs, versions and revisions stay,
// and so does what is in service. An unknown one is not_found.
func (c *Control) Delete(ctx context.Context, name, reason string) error {
	const op = "control.Delete"
	if _, err := authorise(ctx, op, perennial.AccessOperator); err != nil {
		return err
	}
	before, err := c.revision(ctx, name)
	if err != nil {
		return perennial.Wrap(op, err)
	}
	err = insist(ctx, func(again bool) error {
		err := c.o.Applied.Delete(ctx, name)
		if again && perennial.CodeOf(err) == perennial.CodeNotFound {
			return nil
		}
		return err
	})
	if err != nil {
		return perennial.Wrap(op, err)
	}
	c.pipelineChanged(name)
	return c.record(ctx, perennial.AuditEntry{Action: "pipeline.delete", Target: name, Reason: reason, Before: before})
}

// pipelineChanged has the schedules brought in line soon, where this process
// does that.
func (c *Control) pipelineChanged(name string) {
	c.gone.Delete(name)
	select {
	case c.changed <- struct{}{}:
	default: // it will look anyway
	}
}

// revision gives what is in force under a name, for an audit row; nil for none.
func (c *Control) revision(ctx context.Context, name string) ([]byte, error) {
	spec, err := c.o.Applied.Get(ctx, name)
	switch {
	case perennial.CodeOf(err) == perennial.CodeNotFound:
		return nil, nil
	case err != nil:
		return nil, err
	}
	return state(map[string]string{"revision": spec.Revision}), nil
}

// RegisterDataset makes an md5 the present content of a data path, for workers
// that have no project. The same content again changes nothing.
func (c *Control) RegisterDataset(ctx context.Context, path string, req client.RegisterDatasetRequest) (datastore.Dataset, error) {
	const op = "control.RegisterDataset"
	if _, err := authorise(ctx, op, perennial.AccessTrainer); err != nil {
		return datastore.Dataset{}, err
	}
	before, err := c.o.Datasets.Get(ctx, path)
	if err != nil && perennial.CodeOf(err) != perennial.CodeNotFound {
		return before, perennial.Wrap(op, err)
	}
	asked := datastore.Dataset{Path: path, MD5: req.MD5, Size: req.Size, RegisteredAt: c.o.Now().UnixMilli()}
	var stored datastore.Dataset
	changed := false
	err = insist(ctx, func(again bool) (err error) {
		stored, changed, err = c.o.Datasets.Register(ctx, asked)
		changed = changed || again && before.MD5 != asked.MD5
		return err
	})
	if err != nil || !changed {
		return stored, perennial.Wrap(op, err)
	}
	entry := perennial.AuditEntry{Action: "dataset.register", Target: path, Reason: req.Reason, After: state(map[string]string{"md5": stored.MD5})}
	if before.MD5 != "" {
		entry.Before = state(map[string]string{"md5": before.MD5})
	}
	return stored, c.record(ctx, entry)
}
