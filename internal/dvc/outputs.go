package dvc

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/perennial-ml/perennial"
)

// outputs gives the pointers of what stages made, as dvc.lock has them. Metrics
// and the like, which dvc.yaml keeps out of the cache, belong to git and are left
// out.
func (r *Repo) outputs() ([]Pointer, error) {
	stages, err := r.Stages()
	if err != nil || len(stages) == 0 {
		return nil, err
	}
	uncached, err := r.uncached()
	if err != nil {
		return nil, err
	}
	var ps []Pointer
	for _, s := range stages {
		for _, out := range s.Outs {
			if oidRE.MatchString(out.MD5) && !uncached(out.Path) {
				ps = append(ps, Pointer{Path: path.Clean(out.Path), MD5: out.MD5, Size: out.Size, Files: out.Files, Executable: out.Executable})
			}
		}
	}
	return ps, nil
}

// pointerOrOutput gives the pointer of some data, or of what a stage makes.
func (r *Repo) pointerOrOutput(dataPath string) (Pointer, error) {
	p, err := r.Pointer(dataPath)
	if perennial.CodeOf(err) != perennial.CodeNotFound {
		return p, err
	}
	outs, lockErr := r.outputs()
	for _, out := range outs {
		if out.Path == path.Clean(filepath.ToSlash(dataPath)) {
			return out, nil
		}
	}
	return p, errors.Join(err, lockErr)
}

var variableRE = regexp.MustCompile(`\\\$\\\{[^}]*\\\}`)

// uncached reads which outputs dvc.yaml keeps out of the cache. A path with a
// variable in it stands for every path that it may become.
func (r *Repo) uncached() (func(path string) bool, error) {
	b, err := os.ReadFile(filepath.Join(r.root, "dvc.yaml"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, perennial.Errorf(perennial.CodeUnavailable, "", "can't read dvc.yaml").Because(err)
	}
	var doc struct {
		Stages map[string]yaml.Node `yaml:"stages"`
	}
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return nil, perennial.Errorf(perennial.CodeInvalid, "", "dvc.yaml can't be read: %v", err).Because(err)
	}
	var patterns []*regexp.Regexp
	for _, stage := range doc.Stages {
		for _, list := range outLists(&stage) {
			for _, item := range list.Content {
				var files map[string]struct {
					Cache *bool `yaml:"cache"`
				}
				if item.Kind != yaml.MappingNode || item.Decode(&files) != nil {
					continue // a bare path, or options that we don't know
				}
				for name, o := range files {
					if o.Cache != nil && !*o.Cache {
						patterns = append(patterns, pathPattern(name))
					}
				}
			}
		}
	}
	return func(path string) bool {
		for _, p := range patterns {
			if p.MatchString(path) {
				return true
			}
		}
		return false
	}, nil
}

// outLists gives a stage's lists of files that it makes, those of a foreach or
// matrix from its body.
func outLists(stage *yaml.Node) []*yaml.Node {
	var lists []*yaml.Node
	for i := 0; i+1 < len(stage.Content); i += 2 {
		switch value := stage.Content[i+1]; stage.Content[i].Value {
		case "do":
			lists = append(lists, outLists(value)...)
		case "outs", "metrics", "plots":
			if value.Kind == yaml.SequenceNode {
				lists = append(lists, value)
			}
		}
	}
	return lists
}

func pathPattern(path string) *regexp.Regexp {
	text := variableRE.ReplaceAllString(regexp.QuoteMeta(strings.TrimPrefix(path, "./")), ".*")
	return regexp.MustCompile("^" + text + "$")
}
