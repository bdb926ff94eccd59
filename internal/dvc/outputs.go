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

// outputs gives the pointers of what stages made, as dvc.lock has them, with what
// dvc.yaml says of each: its metrics and the like often belong to git (NoCache). A
// stage whose directory has a variable in it is left out.
func (r *Repo) outputs() ([]Pointer, error) {
	stages, err := r.Stages()
	if err != nil || len(stages) == 0 {
		return nil, err
	}
	declared, err := r.declared()
	if err != nil {
		return nil, err
	}
	var ps []Pointer
	for _, s := range stages {
		name, _, _ := strings.Cut(s.Name, "@") // of an item of a foreach
		d := declared[name]
		if strings.Contains(d.wdir, "${") {
			continue
		}
		for _, out := range s.Outs {
			if !oidRE.MatchString(out.MD5) {
				continue
			}
			p := Pointer{Path: path.Join(d.wdir, out.Path), MD5: out.MD5, Size: out.Size, Files: out.Files, Executable: out.Executable, Stage: s.Name}
			for _, o := range d.outs {
				if o.path.MatchString(out.Path) {
					p.NoCache, p.NoPush, p.Remote = no(o.Cache), no(o.Push), o.Remote
				}
			}
			ps = append(ps, p)
		}
	}
	return ps, nil
}

// output gives the pointer of data without a .dvc file: of what a stage makes.
func (r *Repo) output(dataPath, file string) (Pointer, error) {
	outs, err := r.outputs()
	if err != nil {
		return Pointer{}, err
	}
	outer := ""
	for _, out := range outs {
		if out.Path == dataPath {
			return out, nil
		}
		if strings.HasPrefix(dataPath, out.Path+"/") {
			outer = out.Path
		}
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

// declared is what dvc.yaml says of a stage.
type declared struct {
	wdir string // its directory: its paths are relative to it
	outs []declaredOut
}

// declaredOut are the options of a file that a stage makes. A path with a variable
// in it stands for every path that it may become.
type declaredOut struct {
	path   *regexp.Regexp
	Cache  *bool  `yaml:"cache"`
	Push   *bool  `yaml:"push"`
	Remote string `yaml:"remote"`
}

// declared reads the stages of dvc.yaml by name, those of a foreach or matrix from
// its body. Forms that Perennial doesn't know are passed over.
func (r *Repo) declared() (map[string]declared, error) {
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
	all := map[string]declared{}
	for name, stage := range doc.Stages {
		body := &stage
		if do := child(body, "do"); do != nil {
			body = do
		}
		var d declared
		if wdir := child(body, "wdir"); wdir != nil {
			d.wdir = wdir.Value
		}
		for _, key := range []string{"outs", "metrics", "plots"} {
			if list := child(body, key); list != nil && list.Kind == yaml.SequenceNode {
				d.outs = append(d.outs, declaredOuts(list)...)
			}
		}
		all[name] = d
	}
	return all, nil
}

// declaredOuts reads those of a list's files that have options.
func declaredOuts(list *yaml.Node) (outs []declaredOut) {
	for _, item := range list.Content {
		var files map[string]declaredOut
		if item.Kind != yaml.MappingNode || item.Decode(&files) != nil {
			continue
		}
		for name, o := range files {
			o.path = pathPattern(name)
			outs = append(outs, o)
		}
	}
	return outs
}

// no reports whether an option is there and false.
func no(option *bool) bool { return option != nil && !*option }

var variableRE = regexp.MustCompile(`\\\$\\\{[^}]*\\\}`)

func pathPattern(path string) *regexp.Regexp {
	text := variableRE.ReplaceAllString(regexp.QuoteMeta(strings.TrimPrefix(path, "./")), ".*")
	return regexp.MustCompile("^" + text + "$")
}
