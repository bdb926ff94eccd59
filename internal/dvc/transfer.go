package dvc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/blob"
)

// Transfer says how PullWith and PushWith move objects. The zero value is usual.
type Transfer struct {
	Remote   string                // name of the remote, "": the default one; a pointer that names its own keeps to it
	Jobs     int                   // objects moved at once; 0: 16
	Force    bool                  // replace data whose content is kept nowhere else
	Progress func(done, total int) // objects, after each one; called by one goroutine at a time
}

// usualJobs are DVC's on a machine of four cores: a job waits for the network.
const usualJobs = 16

func (t Transfer) jobs() int { return cmp.Or(max(t.Jobs, 0), usualJobs) }

// counter tells of progress.
type counter struct {
	mu    sync.Mutex
	done  int
	total int
	tell  func(done, total int)
}

func (c *counter) add() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done++
	if c.tell != nil {
		c.tell(c.done, c.total)
	}
}

// wanted is an object that has to come, and where from.
type wanted struct {
	oid  string
	from Remote
}

// fetch brings objects into the cache, several at once, and gives the errors by
// oid. What has come stays, so that a fetch that was cut short is gone on with.
func (r *Repo) fetch(ctx context.Context, t Transfer, list []wanted) map[string]error {
	count := counter{total: len(list), tell: t.Progress}
	faults := map[string]error{}
	var g errgroup.Group
	g.SetLimit(t.jobs())
	for _, w := range list {
		g.Go(func() error {
			err := r.download(ctx, w)
			count.add()
			if err != nil {
				count.mu.Lock()
				defer count.mu.Unlock()
				faults[w.oid] = err
			}
			return nil
		})
	}
	_ = g.Wait() // the errors are in faults
	return faults
}

// downloadTries is how often a download begins whose connection breaks off.
const downloadTries = 3

func (r *Repo) download(ctx context.Context, w wanted) (err error) {
	for range downloadTries {
		var from io.ReadCloser
		if from, err = w.from.Open(ctx, w.oid); err != nil {
			return err
		}
		err = errors.Join(r.objects.putStream(ctx, w.oid, from), from.Close())
		if perennial.CodeOf(err) != perennial.CodeUnavailable || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// Open gives an object by its md5 from the cache or else from a remote ("": the
// default one), verified. Errors are those of Pull.
func (r *Repo) Open(ctx context.Context, md5, remote string) ([]byte, error) {
	b, err := r.get(ctx, md5, r.Remote(remote))
	return b, perennial.Wrap("dvc.Open", err)
}

// get is Open from a given remote.
func (r *Repo) get(ctx context.Context, oid string, from Remote) ([]byte, error) {
	b, err := r.objects.read(oid)
	if err == nil || !lost(err) {
		return b, err
	}
	if err = from.err; from.store != nil {
		b, err = from.store.Get(ctx, blob.MD5+oid)
	}
	if err != nil {
		return nil, r.lostError(Pointer{}, wanted{oid, from}, err)
	}
	return b, nil
}

// lost reports whether an object is missing or damaged, so that another place
// may still have it.
func lost(err error) bool {
	code := perennial.CodeOf(err)
	return code == perennial.CodeNotFound || code == perennial.CodeInternal
}

// lostError says that an object could not be had: which one, whose content it
// is, what is wrong in each place, and what to do.
func (r *Repo) lostError(p Pointer, w wanted, remoteErr error) error {
	if !lost(remoteErr) && w.from.store != nil {
		return remoteErr
	}
	what := "object md5:" + w.oid
	if p.Path != "" {
		what += ", the content of " + p.Path + ","
		if p.IsDir() && p.MD5 != w.oid {
			what = strings.Replace(what, "the content of", "of the directory", 1)
		}
	}
	code, here := perennial.CodeNotFound, "missing from the cache"
	if r.objects.has(w.oid) {
		code, here = perennial.CodeInternal, "corrupt in the cache"
	}
	if w.from.store == nil {
		message, hint, _ := perennial.Explain(remoteErr)
		return perennial.Errorf(code, "", "%s is %s, and %s", what, here, message).WithHint("%s", hint).Because(remoteErr)
	}
	there := "missing from the remote " + w.from.Name()
	hint := fmt.Sprintf("Run %s on a machine that has it, then perennial data pull here.", r.pushCommand(p, w.from))
	if perennial.CodeOf(remoteErr) == perennial.CodeInternal {
		code = perennial.CodeInternal
		there = fmt.Sprintf("corrupt in the remote %s, at %s", w.from.Name(), r.place(w))
		hint = "Delete it in the remote first, for a push leaves what is there. " + hint
	}
	switch {
	case isLFSPointer(w.from.store.Path(blob.MD5 + w.oid)):
		hint = "Git LFS has its content, and it isn't here yet: git lfs pull."
	case w.from.dir != "" && filepath.IsLocal(w.from.url): // in the project
		hint += " Or, where git keeps the remote: git checkout -- " + w.from.url + "."
	}
	return perennial.Errorf(code, "", "%s is %s and %s", what, here, there).WithHint("%s", hint).Because(remoteErr)
}

// place names an object in a remote: its file, relative to the project where it is
// inside, or its address.
func (r *Repo) place(w wanted) string {
	object := w.from.store.Where(blob.MD5 + w.oid)
	if rel, err := filepath.Rel(r.root, object); err == nil && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel)
	}
	return object
}

// pushCommand is what brings the objects of some data into a remote.
func (r *Repo) pushCommand(p Pointer, to Remote) string {
	if p.Remote == "" && to.name != r.remote.name {
		return "perennial data push -r " + to.name
	}
	return "perennial data push"
}

// isLFSPointer reports whether Git LFS has put a note in the place of a file.
func isLFSPointer(file string) bool {
	f, err := os.Open(file) //nolint:gosec // an object of a remote
	if err != nil {
		return false
	}
	defer f.Close() //nolint:errcheck // only read from
	head := make([]byte, len(lfsHead))
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == lfsHead
}

const lfsHead = "version https://git-lfs.github.com/spec/"

// pointers gives the pointers of some data, or without paths of all: those of
// .dvc files, and behind them what stages made.
func (r *Repo) pointers(ctx context.Context, paths ...string) (ps []Pointer, err error) {
	if len(paths) == 0 {
		files, err := r.dvcFiles(ctx)
		if err != nil {
			return nil, err
		}
		found, err := r.readPointers(ctx, files.pointers)
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			ps = append(ps, p.Pointer)
		}
		outs, err := r.outputs(r.text, files.pipelines)
		return append(ps, cached(outs)...), err
	}
	outs := r.outputsOnce(ctx)
	for _, path := range paths {
		p, err := r.pointer(strings.TrimSuffix(path, pointerExt), outs)
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
	var hints []string
	for i, err := range faults {
		if err == nil {
			continue
		}
		if first == nil {
			first = err
		}
		message, hint, _ := perennial.Explain(err)
		fields = append(fields, perennial.FieldError{Path: ps[i].Path, Rule: string(perennial.CodeOf(err)), Message: message})
		if hint != "" && len(hints) < 3 && !slices.Contains(hints, hint) {
			hints = append(hints, hint)
		}
	}
	if len(fields) < 2 {
		return first
	}
	e := perennial.Errorf(perennial.CodeOf(first), "", "%d files have faults", len(fields)).WithHint("%s", strings.Join(hints, "\n")).Because(errors.Join(faults...))
	e.Fields = fields
	return e
}
