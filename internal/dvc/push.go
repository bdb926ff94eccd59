package dvc

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/perennial-ml/perennial"
)

// Push is PushWith in the usual way.
func (r *Repo) Push(ctx context.Context, paths ...string) (pushed []string, err error) {
	return r.PushWith(ctx, Transfer{}, paths...)
}

// PushWith copies the objects that pointers name from the cache into a remote and
// says which data it copied something of. Without paths it does so for every
// pointer, and for the outputs in dvc.lock that the cache has. What the remote has
// is left alone, and a directory's manifest goes last, so that it is safe to
// repeat, and to go on with after it was killed. An object that neither has is
// not_found; a project without a remote that this version can use is a
// precondition error.
func (r *Repo) PushWith(ctx context.Context, t Transfer, paths ...string) (pushed []string, err error) {
	const op = "dvc.Push"
	r.sweep()
	ps, err := r.pointers(ctx, paths...)
	ps = slices.DeleteFunc(ps, func(p Pointer) bool {
		unmade := len(paths) == 0 && p.Stage != "" && !r.objects.has(p.MD5) // here: somebody else pushes it
		return p.NoCache || p.NoPush || unmade
	})
	if len(ps) == 0 && err == nil {
		err = r.Remote(t.Remote).err
	}
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	ups, faults := make([]upload, len(ps)), make([]error, len(ps))
	for i, p := range ps {
		if p.MD5 == "" {
			faults[i] = perennial.Errorf(perennial.CodePrecondition, "", "the pointer of %s names no content yet", p.Path).WithHint("perennial data add %s gives it one.", p.Path)
			continue
		}
		ups[i].to = r.source(p, t)
		ups[i].oids, _ = r.objectsOf(p)
	}
	if err := r.lookUp(ctx, ups); err != nil {
		return nil, perennial.Wrap(op, err)
	}
	sent := r.send(ctx, t, ups)
	for i, u := range ups {
		for _, oid := range u.oids {
			if err := sent[u.to.name+" "+oid]; err != nil && !errors.Is(err, errFiles) && faults[i] == nil {
				faults[i] = r.unsent(ps[i], u.to, oid, err)
			}
		}
		if faults[i] == nil && len(u.oids) > 0 {
			pushed = append(pushed, ps[i].Path)
		}
	}
	return pushed, perennial.Wrap(op, together(ps, faults))
}

// upload is the objects of one pointer that its remote lacks.
type upload struct {
	to   Remote
	oids []string
}

// lookUp takes away what the remotes have. Each remote is asked once.
func (r *Repo) lookUp(ctx context.Context, ups []upload) error {
	asked := map[string]map[string]bool{} // what each remote lacks
	for _, u := range ups {
		if len(u.oids) == 0 || asked[u.to.name] != nil {
			continue
		}
		var oids []string
		for _, other := range ups {
			if other.to.name == u.to.name {
				oids = append(oids, other.oids...)
			}
		}
		slices.Sort(oids)
		lacks, err := u.to.Has(ctx, slices.Compact(oids))
		if err != nil {
			return err
		}
		asked[u.to.name] = setOf(lacks)
	}
	for i, u := range ups {
		ups[i].oids = slices.DeleteFunc(u.oids, func(oid string) bool { return !asked[u.to.name][oid] })
	}
	return nil
}

// errFiles keeps a manifest back whose files didn't all arrive; their own errors
// are told.
var errFiles = errors.New("a file of the directory is missing there")

// send copies objects, several at once, the manifests after everything else. It
// gives the errors by remote and oid.
func (r *Repo) send(ctx context.Context, t Transfer, ups []upload) map[string]error {
	sent := map[string]error{}
	todo := map[bool][]wanted{} // by: is it a manifest?
	for _, u := range ups {
		for _, oid := range u.oids {
			key := u.to.name + " " + oid
			if _, twice := sent[key]; !twice {
				sent[key] = nil
				todo[strings.HasSuffix(oid, dirExt)] = append(todo[strings.HasSuffix(oid, dirExt)], wanted{oid, u.to})
			}
		}
	}
	count := counter{total: len(sent), tell: t.Progress}
	for _, manifests := range []bool{false, true} {
		held := map[string]bool{}
		for _, u := range ups {
			if slices.ContainsFunc(u.oids, func(oid string) bool { return sent[u.to.name+" "+oid] != nil }) {
				for _, oid := range u.oids {
					held[u.to.name+" "+oid] = true
				}
			}
		}
		var g errgroup.Group
		g.SetLimit(t.jobs())
		for _, w := range todo[manifests] {
			key := w.from.name + " " + w.oid
			g.Go(func() error {
				err := errFiles
				if !manifests || !held[key] {
					err = r.upload(ctx, w)
				}
				count.add()
				count.mu.Lock()
				defer count.mu.Unlock()
				sent[key] = err
				return nil
			})
		}
		_ = g.Wait() // the errors are in sent
	}
	return sent
}

// upload copies one object from the cache.
func (r *Repo) upload(ctx context.Context, w wanted) error {
	from, err := os.Open(r.objects.path(w.oid))
	if err != nil {
		return perennial.Errorf(perennial.CodeNotFound, "", "object md5:%s is missing from the cache and from the remote %q", w.oid, w.from.name).Because(err)
	}
	defer from.Close() //nolint:errcheck // only read from
	return w.from.Put(ctx, w.oid, from)
}

// unsent says whose object couldn't be pushed.
func (r *Repo) unsent(p Pointer, to Remote, oid string, err error) error {
	switch perennial.CodeOf(err) {
	case perennial.CodeNotFound:
		return perennial.Errorf(perennial.CodeNotFound, "", "object md5:%s of %s is missing from the cache, and the remote lacks it too", oid, p.Path).
			WithHint("Where the data is unchanged here, perennial data pull puts it back into the cache. Else run on a machine that has it: %s.", r.pushCommand(p, to)).Because(err)
	case perennial.CodeInternal:
		return perennial.Errorf(perennial.CodeInternal, "", "object md5:%s of %s is corrupt in the cache; it was not pushed", oid, p.Path).
			WithHint("Run perennial data verify, which mends it or puts it aside.").Because(err)
	default:
		return err
	}
}
