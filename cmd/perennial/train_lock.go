package main

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dvc"
)

// stageSpec is a stage of dvc.yaml as far as Perennial can lock it.
type stageSpec struct {
	Cmd     string        `yaml:"cmd"`
	Deps    []string      `yaml:"deps"`
	Params  []stageParams `yaml:"params"`
	Outs    []stageFile   `yaml:"outs"`
	Metrics []stageFile   `yaml:"metrics"`
	Plots   []stageFile   `yaml:"plots"`
	Wdir    string        `yaml:"wdir"`
}

// stageParams are the parameters of one file that a stage reads; no names mean
// all of them.
type stageParams struct {
	Path  string
	Names []string
}

// defaultParams is where a parameter stands whose file isn't named.
const defaultParams = "params.yaml"

// UnmarshalYAML reads a name, or a file with names or without.
func (p *stageParams) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		p.Path, p.Names = defaultParams, []string{n.Value}
		return nil
	}
	var files map[string][]string
	if err := n.Decode(&files); err != nil {
		return err
	}
	if len(files) != 1 {
		return errors.New("params: an item names one file")
	}
	for p.Path, p.Names = range files {
		return nil
	}
	return nil
}

// stageFile is a path, or a path with options.
type stageFile struct {
	Path  string
	Cache bool
}

// UnmarshalYAML reads both forms.
func (f *stageFile) UnmarshalYAML(n *yaml.Node) error {
	f.Cache = true
	if n.Kind == yaml.ScalarNode {
		return n.Decode(&f.Path)
	}
	var options map[string]struct {
		Cache *bool `yaml:"cache"`
	}
	if err := n.Decode(&options); err != nil {
		return err
	}
	for path, o := range options {
		f.Path = path
		if o.Cache != nil {
			f.Cache = *o.Cache
		}
	}
	return nil
}

// lockStage writes the entry of the stage that makes model into dvc.lock, as
// dvc does after it ran the stage. It writes none, and says so, where dvc.yaml
// has no such stage or one that needs more of DVC than Perennial knows.
func (c *cli) lockStage(ctx context.Context, dir, name, model string) (written bool, err error) {
	const op = "cli.lockStage"
	b, err := os.ReadFile(filepath.Join(dir, "dvc.yaml")) //nolint:gosec // in the project that the caller names
	if err != nil {
		c.sayf("dvc.lock is left alone: there is no dvc.yaml.")
		return false, nil //nolint:nilerr // a project needn't have one
	}
	stage, spec, err := findStage(b, name, model)
	switch {
	case err != nil:
		return false, perennial.Errorf(perennial.CodeInvalid, op, "dvc.yaml can't be read: %v", err)
	case stage == "":
		c.sayf("dvc.lock is left alone: no stage of dvc.yaml makes %s.", model)
		return false, nil
	case spec.Wdir != "" || strings.Contains(spec.text(), "${"):
		c.sayf("dvc.lock is left alone: the stage %s uses wdir or variables. Run: dvc commit %s", stage, stage)
		return false, nil
	}
	repo, err := dvc.Open(dir)
	if err != nil {
		return false, perennial.Wrap(op, err)
	}
	lock := dvc.Stage{Name: stage, Cmd: spec.Cmd}
	if lock.Params, err = readParams(repo, spec.Params); err != nil {
		return false, perennial.Wrap(op, err)
	}
	for _, path := range spec.Deps {
		e, err := repo.Track(ctx, path, false)
		if err != nil {
			return false, perennial.Wrap(op, err)
		}
		lock.Deps = append(lock.Deps, e)
	}
	for _, f := range slices.Concat(spec.Outs, spec.Metrics, spec.Plots) {
		e, err := repo.Track(ctx, f.Path, f.Cache)
		if err != nil {
			return false, perennial.Wrap(op, err)
		}
		lock.Outs = append(lock.Outs, e)
	}
	return true, perennial.Wrap(op, repo.WriteLock(lock)) //nolint:contextcheck // one small file
}

// readParams reads a stage's parameters, each file once.
func readParams(repo *dvc.Repo, params []stageParams) ([]dvc.ParamsFile, error) {
	var out []dvc.ParamsFile
	for _, p := range params {
		read, err := repo.ReadParams(p.Path, p.Names)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(out, func(f dvc.ParamsFile) bool { return f.Path == p.Path })
		if i < 0 {
			out = append(out, read)
			continue
		}
		maps.Copy(out[i].Values, read.Values)
	}
	return out, nil
}

// text is everything of a stage in which a variable may stand.
func (s *stageSpec) text() string {
	parts := append([]string{s.Cmd}, s.Deps...)
	for _, f := range slices.Concat(s.Outs, s.Metrics, s.Plots) {
		parts = append(parts, f.Path)
	}
	for _, p := range s.Params {
		parts = append(append(parts, p.Path), p.Names...)
	}
	return strings.Join(parts, "\n")
}

// findStage gives the stage of dvc.yaml that makes model: a plain one, or the
// item of a foreach over pipeline names. Name "" means that there is none.
func findStage(b []byte, item, model string) (name string, spec stageSpec, err error) {
	var file struct {
		Stages map[string]yaml.Node `yaml:"stages"`
	}
	if err := yaml.Unmarshal(b, &file); err != nil {
		return "", spec, err
	}
	for stage, body := range file.Stages {
		var each struct {
			Foreach yaml.Node `yaml:"foreach"`
			Do      yaml.Node `yaml:"do"`
		}
		if body.Decode(&each) == nil && !each.Foreach.IsZero() {
			var items []string
			if each.Foreach.Decode(&items) != nil || !slices.Contains(items, item) {
				continue // a foreach over something else
			}
			body, stage = each.Do, stage+"@"+item
			substitute(&body, item)
		}
		var found stageSpec
		if body.Decode(&found) != nil {
			continue // a form that trains no pipeline
		}
		if slices.ContainsFunc(found.Outs, func(f stageFile) bool { return f.Path == model }) {
			return stage, found, nil
		}
	}
	return "", spec, nil
}

// substitute puts the item of a foreach in the place of its variable.
func substitute(n *yaml.Node, item string) {
	n.Value = strings.ReplaceAll(n.Value, "${item}", item)
	for _, child := range n.Content {
		substitute(child, item)
	}
}
