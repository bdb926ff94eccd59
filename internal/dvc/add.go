package dvc

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/perennial-ml/perennial"
)

// Add puts a data file or a directory under DVC, as dvc add does: its content
// goes into the cache, a pointer file beside it says which content that is, and
// .gitignore keeps the data itself out of git. The path is relative to the
// project. A second Add after a change moves the pointer and leaves everything
// else in the pointer file as it is.
//
// A missing file is not_found; what is neither a regular file nor a directory
// inside the project, or what .dvcignore names, is invalid; data that lies in
// other versioned data, or that git keeps, is a conflict. A pointer file that
// can't be read is written anew, but one of DVC 2 is not.
//
// It may be killed at any time: an object and a pointer appear whole or not at
// all, the pointer last, and the next Add finishes the work.
func (r *Repo) Add(ctx context.Context, dataPath string) (Pointer, error) {
	ps, err := r.AddAll(ctx, dataPath)
	if err != nil {
		return Pointer{}, err
	}
	return ps[0], nil
}

// AddAll is Add for several paths, in their order. Where one of them can't be
// added none is, and nothing but objects was written.
func (r *Repo) AddAll(ctx context.Context, dataPaths ...string) ([]Pointer, error) {
	var out []Pointer
	err := r.locked(ctx, func() error {
		a, err := r.newAdding(ctx, dataPaths)
		if err != nil {
			return err
		}
		defer r.hashes.save()
		out, err = a.all(ctx)
		return err
	})
	return out, perennial.Wrap("dvc.Add", err)
}

// adding is what one AddAll knows.
type adding struct {
	r         *Repo
	targets   []addTarget
	dvcignore *ignorer
	gitignore *ignorer
	texts     map[string][]byte // new texts of .dvc files
	ignores   []string          // .gitignore files that were changed
}

// addTarget is what to add, and the pointer file that has or gets it.
type addTarget struct {
	path    string // relative to the project, with slashes
	file    string
	pointer string
	now     Pointer
}

// all keeps the contents of all targets first and writes the pointers last.
func (a *adding) all(ctx context.Context) ([]Pointer, error) {
	var g errgroup.Group
	g.SetLimit(parallel)
	for i := range a.targets {
		t := &a.targets[i]
		g.Go(func() (err error) {
			t.now, err = a.r.store(ctx, t.path, t.file)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := make([]Pointer, len(a.targets))
	for i, t := range a.targets {
		out[i] = t.now
		if err := a.move(t); err != nil {
			return nil, err
		}
	}
	if err := a.ignore(); err != nil {
		return nil, err
	}
	for _, t := range a.targets {
		if err := a.r.link(ctx, t.now, t.file); err != nil {
			return nil, err
		}
	}
	for file, text := range a.texts {
		g.Go(func() error { return writeFile(file, text) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return out, a.stage(ctx)
}

func (r *Repo) newAdding(ctx context.Context, dataPaths []string) (*adding, error) {
	a := &adding{
		r: r, dvcignore: newIgnorer(r.root, ".dvcignore"), gitignore: newIgnorer(r.gitRoot(), ".gitignore"),
		texts: map[string][]byte{},
	}
	r.sweep()
	var own []string
	for _, p := range dataPaths {
		p = path.Clean(filepath.ToSlash(p))
		file, err := r.abs(p)
		if err != nil {
			return nil, err
		}
		if err := a.check(p, file); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(a.targets, func(t addTarget) bool { return t.path == p }) {
			continue
		}
		a.targets = append(a.targets, addTarget{path: p, file: file, pointer: file + pointerExt})
		own = append(own, file+pointerExt)
	}
	files, err := r.dvcFiles(ctx)
	if err != nil {
		return nil, err
	}
	tracked, err := r.readPointers(ctx, files.pointers, own...)
	if err != nil {
		return nil, err
	}
	outs, err := r.outputs(r.text, files.pipelines)
	if err != nil && !errors.Is(err, errUnread) { // what can't be known can't be refused
		return nil, err
	}
	if err := a.checkOverlaps(tracked, outs); err != nil {
		return nil, err
	}
	if err := r.checkGit(ctx, a.targets); err != nil {
		return nil, err
	}
	for _, t := range a.targets {
		if !r.noSCM && a.gitignore.covered(t.pointer, false) {
			return nil, perennial.Errorf(perennial.CodeInvalid, "", "git ignores the pointer file %s", r.rel(t.pointer)).
				WithHint("Change the pattern in .gitignore: !%s behind it names the exception.", filepath.Base(t.pointer))
		}
	}
	return a, nil
}

// check refuses what can't be versioned.
func (a *adding) check(dataPath, file string) error {
	if err := checkText("the file name", path.Base(dataPath)); err != nil {
		return err
	}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return perennial.Errorf(perennial.CodeNotFound, "", "%s doesn't exist", dataPath).Because(err)
	case err != nil:
		return perennial.Errorf(perennial.CodeUnavailable, "", "can't read %s", dataPath).Because(err)
	case !info.Mode().IsRegular() && !info.IsDir():
		return perennial.Errorf(perennial.CodeInvalid, "", "%s is neither a regular file nor a directory", dataPath)
	case strings.HasSuffix(dataPath, pointerExt) || path.Base(dataPath) == pipelineName:
		return perennial.Errorf(perennial.CodeInvalid, "", "%s is one of DVC's own files", dataPath).WithHint("Name the data itself.")
	case a.dvcignore.covered(file, info.IsDir()):
		return perennial.Errorf(perennial.CodeInvalid, "", "%s is ignored by .dvcignore", dataPath).WithHint("Change the pattern there, or move the data.")
	case info.IsDir():
		if link, err := os.Lstat(file); err == nil && link.Mode()&fs.ModeSymlink != 0 {
			return perennial.Errorf(perennial.CodeInvalid, "", "%s is a link to a directory", dataPath).WithHint("Add the directory itself.")
		}
	}
	return nil
}

// checkOverlaps finds the pointer file of each target among those of the project,
// and refuses targets that lie in one another, in other data or in what a stage
// makes.
func (a *adding) checkOverlaps(tracked []located, outs []Pointer) error {
	all := map[string]located{} // by path; a target that is new has no file
	for _, t := range a.targets {
		all[t.path] = located{Pointer: Pointer{Path: t.path}}
	}
	for _, out := range outs {
		all[out.Path] = located{Pointer: out, file: pipelineName}
	}
	for _, p := range tracked {
		all[p.Path] = p
	}
	within := map[string]located{} // the first of them in each directory
	for p, it := range all {
		for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
			if first, there := within[dir]; !there || p < first.Path {
				within[dir] = it
			}
		}
	}
	for i := range a.targets {
		t := &a.targets[i]
		known := all[t.path]
		if known.Stage != "" {
			return perennial.Errorf(perennial.CodeConflict, "", "%s is made by the stage %s", t.path, stageText(known.Stage)).
				WithHint("Run the stage: dvc repro %s.", known.Stage)
		}
		if inner, overlaps := within[t.path]; overlaps {
			return a.containsData(t.path, inner)
		}
		for dir := path.Dir(t.path); dir != "."; dir = path.Dir(dir) {
			if outer, overlaps := all[dir]; overlaps {
				return a.liesInData(t.path, outer)
			}
		}
		if known.file != "" {
			t.pointer = known.file
		}
	}
	return nil
}

// containsData says why a directory with versioned data in it can't be added.
func (a *adding) containsData(dir string, inner located) error {
	switch {
	case inner.file == "":
		return bothNamed(inner.Path, dir)
	case inner.Stage != "":
		return perennial.Errorf(perennial.CodeConflict, "", "%s can't be versioned as a whole: the stage %s makes %s in it", dir, stageText(inner.Stage), inner.Path).
			WithHint("Name what lies beside that.")
	default:
		return perennial.Errorf(perennial.CodeConflict, "", "%s can't be versioned as a whole: %s in it is versioned by itself", dir, inner.Path).
			WithHint("Delete %s first, or name what lies beside that data.", a.r.rel(inner.file))
	}
}

// liesInData says why data in a versioned directory can't be added by itself.
func (a *adding) liesInData(dataPath string, outer located) error {
	switch {
	case outer.file == "":
		return bothNamed(dataPath, outer.Path)
	case outer.Stage != "":
		return perennial.Errorf(perennial.CodeConflict, "", "%s lies in %s, which the stage %s makes", dataPath, outer.Path, stageText(outer.Stage)).
			WithHint("Run the stage: dvc repro %s.", outer.Stage)
	default:
		return perennial.Errorf(perennial.CodeConflict, "", "%s lies in %s, which %s versions as a whole", dataPath, outer.Path, a.r.rel(outer.file)).
			WithHint("perennial data add %s takes in all that changed there; dvc add %s takes in that alone.", outer.Path, dataPath)
	}
}

func bothNamed(inner, outer string) error {
	return perennial.Errorf(perennial.CodeConflict, "", "%s and %s, which lies in it, can't both be versioned", outer, inner).
		WithHint("Name %s alone: it is versioned with all that lies in it.", outer)
}

// move makes the new text of a target's pointer file.
func (a *adding) move(t addTarget) error {
	rel := a.r.rel(t.pointer)
	was, edited := a.texts[t.pointer]
	if !edited {
		var err error
		was, err = os.ReadFile(t.pointer)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return perennial.Errorf(perennial.CodeUnavailable, "", "can't read %s", rel).Because(err)
		}
	}
	now := t.now.encode()
	_, err := parsePointers(rel, was)
	switch {
	case err == nil:
		now, err = editPointer(rel, was, t.now)
	case !errors.Is(err, errLegacy): // it is no pointer file any more
		err = nil
	}
	if err == nil && !bytes.Equal(now, was) {
		a.texts[t.pointer] = now
	}
	return err
}

// store puts a file's or a directory's content into the cache.
func (r *Repo) store(ctx context.Context, dataPath, file string) (Pointer, error) {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Pointer{}, perennial.Errorf(perennial.CodeNotFound, "", "%s doesn't exist", dataPath).Because(err)
	case err != nil:
		return Pointer{}, perennial.Errorf(perennial.CodeUnavailable, "", "can't read %s", dataPath).Because(err)
	case !info.IsDir():
		md5, size, err := r.objects.putFile(ctx, file)
		return Pointer{Path: dataPath, MD5: md5, Size: size, Executable: info.Mode()&0o111 != 0}, err
	}
	files, err := r.tree(ctx, file)
	if err != nil {
		return Pointer{}, err
	}
	err = hashTree(ctx, files, func(ctx context.Context, file string) (string, error) {
		md5, _, err := r.objects.putFile(ctx, file)
		return md5, err
	})
	if err != nil {
		return Pointer{}, err
	}
	p, manifest := pointerOf(dataPath, files)
	return p, r.objects.putBytes(ctx, p.MD5, manifest)
}

// ignoreEscapes are the characters with a meaning in .gitignore, as DVC escapes
// them.
var ignoreEscapes = strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, "!", `\!`, "*", `\*`, "#", `\#`, "?", `\?`)

// ignore adds the targets to the .gitignore files beside them, unless the
// project's own .gitignore files ignore them already. What git ignores on this
// machine alone doesn't count: it wouldn't in a clone.
func (a *adding) ignore() error {
	if a.r.noSCM {
		return nil
	}
	texts := map[string][]byte{}
	for _, t := range a.targets {
		if a.gitignore.covered(t.file, t.now.IsDir()) {
			continue
		}
		dir := filepath.Dir(t.file)
		name := filepath.Join(dir, ".gitignore")
		b, begun := texts[name]
		if !begun {
			var err error
			b, err = os.ReadFile(name) //nolint:gosec // beside a file of the project
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return perennial.Errorf(perennial.CodeUnavailable, "", "can't read %s", name).Because(err)
			}
		}
		line := ignoreEscapes.Replace("/" + filepath.Base(t.file))
		if has := slices.Contains(strings.FieldsFunc(string(b), isLineEnd), line); has && !begun {
			continue
		}
		if len(b) > 0 && !bytes.HasSuffix(b, []byte("\n")) {
			b = append(b, '\n')
		}
		texts[name] = append(b, line+"\n"...)
		a.gitignore.rules(dir).add(line, false)
	}
	for name, b := range texts {
		if err := writeFile(name, b); err != nil {
			return err
		}
		a.ignores = append(a.ignores, name)
	}
	return nil
}

func isLineEnd(c rune) bool { return c == '\n' || c == '\r' }
