package dvc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/blob"
)

// Pull gives data files the content their pointers name, from the cache or else
// from the default remote, and says which files it wrote. Without paths it does
// so for every pointer. Every object is verified, and a file appears whole or
// not at all. It is safe to repeat.
//
// A file with other content is replaced where the cache or the remote holds that
// content too, as after switching branches; otherwise it is a conflict and stays
// as it is. A missing object is not_found and a damaged one internal; the error
// names object, file and place. The faults of all files come together.
func (r *Repo) Pull(ctx context.Context, paths ...string) (pulled []string, err error) {
	pulled, err = r.pull(ctx, false, paths)
	return pulled, perennial.Wrap("dvc.Pull", err)
}

// ForcePull is Pull that also replaces files whose content is nowhere else.
func (r *Repo) ForcePull(ctx context.Context, paths ...string) (pulled []string, err error) {
	pulled, err = r.pull(ctx, true, paths)
	return pulled, perennial.Wrap("dvc.ForcePull", err)
}

func (r *Repo) pull(ctx context.Context, force bool, paths []string) ([]string, error) {
	ps, err := r.pointers(ctx, paths)
	if err != nil {
		return nil, err
	}
	wrote := make([]bool, len(ps))
	faults := make([]error, len(ps))
	var g errgroup.Group
	g.SetLimit(parallel)
	for i, p := range ps {
		g.Go(func() error {
			wrote[i], faults[i] = r.pullOne(ctx, force, p)
			return nil
		})
	}
	_ = g.Wait() // the errors are in faults
	var pulled []string
	for i, p := range ps {
		if wrote[i] {
			pulled = append(pulled, p.Path)
		}
	}
	return pulled, together(ps, faults)
}

// pointers gives the pointers of some data files, or all of them.
func (r *Repo) pointers(ctx context.Context, paths []string) ([]Pointer, error) {
	if len(paths) == 0 {
		return r.Pointers(ctx)
	}
	var ps []Pointer
	for _, path := range paths {
		p, err := r.Pointer(strings.TrimSuffix(path, pointerExt))
		if err != nil {
			return nil, err
		}
		if !slices.Contains(ps, p) {
			ps = append(ps, p)
		}
	}
	return ps, nil
}

// together makes one error of the faults of several files.
func together(ps []Pointer, faults []error) error {
	var fields []perennial.FieldError
	var first error
	for i, err := range faults {
		if err == nil {
			continue
		}
		if first == nil {
			first = err
		}
		message, _, _ := perennial.Explain(err)
		fields = append(fields, perennial.FieldError{Path: ps[i].Path, Rule: string(perennial.CodeOf(err)), Message: message})
	}
	if len(fields) < 2 {
		return first
	}
	_, hint, _ := perennial.Explain(first)
	e := perennial.Errorf(perennial.CodeOf(first), "", "%d files have faults", len(fields)).WithHint("%s", hint).Because(errors.Join(faults...))
	e.Fields = fields
	return e
}

// onlyFiles refuses what isn't a file with a content.
func onlyFiles(p Pointer) error {
	switch {
	case p.MD5 == "":
		return perennial.Errorf(perennial.CodePrecondition, "", "the pointer of %s names no content yet", p.Path).WithHint("perennial data add %s gives it one.", p.Path)
	case p.IsDir():
		return perennial.Errorf(perennial.CodePrecondition, "", "%s is a directory, and this version moves single files to and from remotes", p.Path).
			WithHint("Run dvc pull or dvc push for it.")
	default:
		return nil
	}
}

func (r *Repo) pullOne(ctx context.Context, force bool, p Pointer) (wrote bool, err error) {
	if err := onlyFiles(p); err != nil {
		return false, err
	}
	file, err := r.abs(p.Path)
	if err != nil {
		return false, err
	}
	came, _, err := HashFile(file)
	switch {
	case perennial.CodeOf(err) == perennial.CodeNotFound:
	case err != nil:
		return false, err
	case came == p.MD5:
		return false, nil
	case !force && !r.holds(ctx, blob.MD5+came):
		return false, perennial.Errorf(perennial.CodeConflict, "", "%s was changed and is kept nowhere else; it stays as it is", p.Path).
			WithHint("Keep the change with perennial data add %s, or delete the file and pull again.", p.Path)
	}
	mode := os.FileMode(0o644)
	if p.Executable {
		mode = 0o755
	}
	cacheErr := r.cache.CopyTo(ctx, p.key(), file, mode)
	if cacheErr == nil {
		return true, nil
	}
	if !lost(cacheErr) {
		return false, cacheErr
	}
	if r.remote.store == nil {
		return false, r.lostError(p, cacheErr, r.remote.err)
	}
	if err := r.remote.store.CopyTo(ctx, p.key(), r.cache.Path(p.key()), 0o444); err != nil {
		return false, r.lostError(p, cacheErr, err)
	}
	return true, r.cache.CopyTo(ctx, p.key(), file, mode)
}

// Open gives an object by its md5 from the cache or else from the default
// remote, verified. Errors are those of Pull.
func (r *Repo) Open(ctx context.Context, md5 string) ([]byte, error) {
	const op = "dvc.Open"
	p := Pointer{MD5: md5}
	b, cacheErr := r.cache.Get(ctx, p.key())
	if cacheErr == nil || !lost(cacheErr) {
		return b, perennial.Wrap(op, cacheErr)
	}
	if r.remote.store == nil {
		return nil, perennial.Wrap(op, r.lostError(p, cacheErr, r.remote.err))
	}
	b, err := r.remote.store.Get(ctx, p.key())
	if err != nil {
		return nil, perennial.Wrap(op, r.lostError(p, cacheErr, err))
	}
	return b, nil
}

// holds reports whether the cache or the remote has a sound copy of an object.
func (r *Repo) holds(ctx context.Context, key string) bool {
	return r.cache.Verify(ctx, key) == nil || r.remote.store != nil && r.remote.store.Verify(ctx, key) == nil
}

// lost reports whether an object is missing or damaged, so that another place
// may still have it.
func lost(err error) bool {
	code := perennial.CodeOf(err)
	return code == perennial.CodeNotFound || code == perennial.CodeInternal
}

// lostError says that an object could not be had: which one, whose content it
// is, what is wrong in each place, and what to do.
func (r *Repo) lostError(p Pointer, cacheErr, remoteErr error) error {
	if !lost(remoteErr) && r.remote.store != nil {
		return remoteErr
	}
	what := "object " + p.key()
	if p.Path != "" {
		what += ", the content of " + p.Path + ","
	}
	code, places := perennial.CodeNotFound, []string{"missing from the cache"}
	if perennial.CodeOf(cacheErr) == perennial.CodeInternal {
		code, places[0] = perennial.CodeInternal, "corrupt in the cache"
	}
	name := fmt.Sprintf("the remote %q (%s)", r.remote.name, r.remote.url)
	hint := "Restore it from a good copy: dvc push from a clone that has it"
	switch {
	case r.remote.store == nil:
		message, _, _ := perennial.Explain(remoteErr)
		places = append(places, "and "+message)
		_, hint, _ = perennial.Explain(remoteErr)
		return perennial.Errorf(code, "", "%s is %s", what, strings.Join(places, ", ")).WithHint("%s", hint).Because(errors.Join(cacheErr, remoteErr))
	case perennial.CodeOf(remoteErr) == perennial.CodeInternal:
		code = perennial.CodeInternal
		places = append(places, "and corrupt in "+name)
		hint += ", after deleting the corrupt file"
	default:
		places = append(places, "and missing from "+name)
	}
	if file, err := filepath.Rel(r.root, r.remote.store.Path(p.key())); r.remote.dir != "" && err == nil && filepath.IsLocal(file) {
		hint += ", or git checkout -- " + filepath.ToSlash(file)
	}
	return perennial.Errorf(code, "", "%s is %s", what, strings.Join(places, " ")).WithHint("%s.", hint).Because(errors.Join(cacheErr, remoteErr))
}
