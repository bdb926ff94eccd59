package dvc

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/perennial-ml/perennial"
)

// errUnread is the cause of what is refused because it depends on values that
// aren't read here.
var errUnread = errors.New("a variable that is not read")

// texts reads a small file of the project by its path, in the work tree or at a
// revision. A missing one is fs.ErrNotExist.
type texts func(rel string) ([]byte, error)

// text reads from the work tree.
func (r *Repo) text(rel string) ([]byte, error) {
	return os.ReadFile(filepath.Join(r.root, filepath.FromSlash(rel)))
}

// outputs gives the pointers of what the stages of some dvc.yaml files make, with
// what those say of it (metrics and the like often belong to git: NoCache) and the
// content that dvc.lock beside each names, "" where it names none. A dvc.yaml that
// dvc refuses is invalid. A stage that can't be understood here is a precondition
// error, caused by errUnread, which comes with the pointers of the others.
func (r *Repo) outputs(read texts, pipelines []string) (outs []Pointer, err error) {
	var refused error
	for _, file := range pipelines {
		rel := r.rel(file)
		stages, err := r.pipeline(read, rel)
		switch {
		case errors.Is(err, errUnread):
			refused = cmp.Or(refused, err)
		case err != nil:
			return nil, err
		}
		if len(stages) == 0 {
			continue
		}
		locked, err := stagesIn(read, path.Dir(rel))
		if err != nil {
			return nil, err
		}
		made := map[string]Entry{} // by stage and path
		for _, s := range locked {
			for _, e := range s.Outs {
				made[s.Name+"\n"+path.Clean(e.Path)] = e
			}
		}
		for _, s := range stages {
			ps, err := s.outputs(rel, made)
			if errors.Is(err, errUnread) {
				refused = cmp.Or(refused, err)
			} else if err != nil {
				return nil, err
			}
			outs = append(outs, ps...)
		}
	}
	return outs, refused
}

// outputs gives the pointers of what one stage of the dvc.yaml at rel makes.
func (s instance) outputs(rel string, made map[string]Entry) (ps []Pointer, err error) {
	stage := s.name
	if dir := path.Dir(rel); dir != "." {
		stage = rel + ":" + s.name // as dvc names it
	}
	for _, key := range []string{"outs", "metrics", "plots"} {
		list := child(s.body, key)
		if list == nil {
			continue
		}
		if list.Kind != yaml.SequenceNode {
			return nil, s.scope.bad(list, "%s of the stage %s is no list", key, s.name)
		}
		for _, item := range list.Content {
			o, err := s.declared(item)
			if err != nil {
				return nil, err
			}
			at := path.Join(s.wdir, o.path)
			if strings.Contains(o.path, "://") || path.IsAbs(o.path) || !filepath.IsLocal(filepath.FromSlash(at)) {
				continue // outside of the project nothing is versioned
			}
			e := made[s.name+"\n"+path.Clean(o.path)]
			p := Pointer{Path: at, Size: e.Size, Files: e.Files, Executable: e.Executable, NoCache: no(o.Cache), NoPush: no(o.Push), Remote: o.Remote, Stage: stage}
			if isOID(e.MD5) {
				p.MD5 = e.MD5
			}
			ps = append(ps, p)
		}
	}
	return ps, nil
}

// declaredOut is what dvc.yaml says of a file that a stage makes.
type declaredOut struct {
	path   string
	Cache  *bool  `yaml:"cache"`
	Push   *bool  `yaml:"push"`
	Remote string `yaml:"remote"`
}

// declared reads an item of a list of outs: a path, or one with options.
func (s instance) declared(item *yaml.Node) (o declaredOut, err error) {
	name := item
	if item.Kind == yaml.MappingNode && len(item.Content) == 2 {
		name = item.Content[0]
		options := item.Content[1]
		if options.Kind == yaml.MappingNode { // a plot may have a list of pictures here
			if err := options.Decode(&o); err != nil {
				return o, s.scope.bad(options, "the options of %s can't be read: %v", name.Value, err)
			}
			if remote := child(options, "remote"); remote != nil {
				if o.Remote, err = s.scope.fill(remote); err != nil {
					return o, err
				}
			}
		}
	}
	if name.Kind != yaml.ScalarNode || name.Value == "" {
		return o, s.scope.bad(item, "an output of the stage %s is no path", s.name)
	}
	o.path, err = s.scope.fill(name)
	return o, err
}

// cached leaves those of stages' outputs that have a content which the cache keeps.
func cached(outs []Pointer) []Pointer {
	return slices.DeleteFunc(outs, func(p Pointer) bool { return p.NoCache || p.MD5 == "" })
}

// outputsOnce gives what the stages of the whole project make, as outputs does. The
// project is walked when that is asked for first, and not again.
func (r *Repo) outputsOnce(ctx context.Context) func() ([]Pointer, error) {
	return sync.OnceValues(func() ([]Pointer, error) {
		found, err := r.dvcFiles(ctx)
		if err != nil {
			return nil, err
		}
		return r.outputs(r.text, found.pipelines)
	})
}

// output gives the pointer of data without a .dvc file: of what a stage makes.
func (r *Repo) output(dataPath, file string, outs func() ([]Pointer, error)) (Pointer, error) {
	made, err := outs()
	outer := ""
	for _, out := range made {
		switch {
		case out.Path == dataPath && out.MD5 == "":
			return Pointer{}, perennial.Errorf(perennial.CodeNotFound, "", "the stage %s makes %s, and its dvc.lock names no content yet", stageText(out.Stage), dataPath).
				WithHint("Run the stage: dvc repro %s.", out.Stage)
		case out.Path == dataPath:
			return out, nil
		case strings.HasPrefix(dataPath, out.Path+"/"):
			outer = out.Path
		}
	}
	if err != nil {
		return Pointer{}, err
	}
	for dir := path.Dir(dataPath); outer == "" && dir != "."; dir = path.Dir(dir) {
		if info, err := os.Stat(filepath.Join(r.root, filepath.FromSlash(dir)+pointerExt)); err == nil && info.Mode().IsRegular() {
			outer = dir
		}
	}
	if outer != "" {
		return Pointer{}, perennial.Errorf(perennial.CodeNotFound, "", "%s lies in %s, which is versioned as a whole", dataPath, outer).WithHint("Name %s.", outer)
	}
	if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
		return Pointer{}, perennial.Errorf(perennial.CodeNotFound, "", "there is no data at %s, and no %s%s that says where to get it", dataPath, dataPath, pointerExt).
			WithHint("perennial data status shows what is versioned.")
	}
	return Pointer{}, perennial.Errorf(perennial.CodeNotFound, "", "%s has no pointer file %s%s", dataPath, dataPath, pointerExt).
		WithHint("Put it under DVC: perennial data add %s.", dataPath)
}

// stageText names a stage for people, by its name as dvc repro takes it.
func stageText(stage string) string {
	if i := strings.LastIndexByte(stage, ':'); i >= 0 {
		return stage[i+1:] + " of " + stage[:i]
	}
	return stage + " of dvc.yaml"
}

// no reports whether an option is there and false.
func no(option *bool) bool { return option != nil && !*option }
