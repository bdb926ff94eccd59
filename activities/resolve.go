package activities

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dataset"
	"github.com/perennial-ml/perennial/internal/pipeline"
	"github.com/perennial-ml/perennial/internal/project"
)

// Bundle is everything a training reads, by content: later activities take its
// key and need no file of the project.
type Bundle struct {
	Spec    pipeline.Spec     `json:"spec"`
	Data    perennial.DataRef `json:"data"` // path, md5, size and base md5; rows are counted when it is read
	Budget  perennial.Budget  `json:"budget"`
	Trainer string            `json:"trainer"`
	// Distinct: no trial is tried twice. Studies from before could do so, and are
	// gone through again as they were.
	Distinct bool `json:"distinct,omitempty"`
}

// schemaSHA256 is the hash of the declared schema.
func (b *Bundle) schemaSHA256() string { return dataset.SchemaSHA256(&b.Spec.Schema) }

// paramsSHA256 is the hash of everything but data and sides that decides which
// model comes out: equal data, sides and params give an equal model file.
func (b *Bundle) paramsSHA256() string {
	p := b.Spec.Pipeline
	return digest(map[string]any{
		"task": p.Task, "target": p.Data.Target, "positive": p.Data.Positive, "csv": p.Data.CSV, "schema": b.Spec.Schema, "preprocess": p.Preprocess,
		"candidates": p.Candidates, "tuning": tuningThatMatters(p.Tuning), "select": p.Select, "threshold": p.Threshold,
		"budget": b.Budget, "trainer": b.Trainer,
	})
}

// tuningThatMatters leaves out what changes nothing but time.
func tuningThatMatters(t perennial.Tuning) perennial.Tuning {
	t.Parallel = 0
	return t
}

// digest is the sha256, in hexadecimal, of a value's JSON.
func digest(v any) string {
	b, err := json.Marshal(v)
	if err != nil { // every caller passes plain data
		panic(err)
	}
	return sha256Hex(b)
}

func sha256Hex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// ResolveInput names what to train.
type ResolveInput struct {
	Pipeline string           `json:"pipeline"`
	Budget   perennial.Budget `json:"budget"`
}

// Resolved is the key of the bundle, and what people look for in the history.
type Resolved struct {
	Bundle   string `json:"bundle"`
	DataMD5  string `json:"data_md5"`
	Revision string `json:"revision"` // of the pipeline
	Commit   string `json:"commit"`   // of the project, "" outside git
	Dirty    bool   `json:"dirty"`
}

// ResolvePipeline reads the applied pipeline and its data's present content and
// stores both as one bundle. Safe to repeat: objects are content-addressed, and
// until it has succeeded nothing else refers to them.
func (a *Activities) ResolvePipeline(ctx context.Context, in ResolveInput) (Resolved, error) {
	const op = "ResolvePipeline"
	ctx, stop := heartbeat(ctx)
	defer stop()
	spec, err := a.Pipelines.Get(ctx, in.Pipeline)
	if err != nil {
		return Resolved{}, perennial.Wrap(op, err)
	}
	content, err := a.Data.Read(ctx, spec.Pipeline.Data.Path)
	if err != nil {
		return Resolved{}, perennial.Wrap(op, err)
	}
	key, size, err := a.Blobs.PutMD5(ctx, bytes.NewReader(content))
	if err != nil {
		return Resolved{}, perennial.Wrap(op, err)
	}
	md5 := strings.TrimPrefix(key, "md5:")
	bundle := Bundle{
		Spec:    *spec,
		Data:    perennial.DataRef{Path: spec.Pipeline.Data.Path, MD5: md5, Size: size, BaseMD5: md5},
		Budget:  in.Budget,
		Trainer: Trainer, Distinct: true,
	}
	bundleKey, err := a.putJSON(ctx, bundle)
	if err != nil {
		return Resolved{}, perennial.Wrap(op, err)
	}
	commit, dirty := project.Commit(ctx, a.Project)
	return Resolved{Bundle: bundleKey, DataMD5: md5, Revision: spec.Revision, Commit: commit, Dirty: dirty}, nil
}
