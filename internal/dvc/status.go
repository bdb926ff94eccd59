package dvc

import (
	"context"
	"os"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/perennial-ml/perennial"
)

// State is where data stands against its pointer, as dvc status and dvc status
// --cloud name it.
type State string

// The states. Of two that hold, the first one in this list counts.
const (
	StateNotInCache State = "not_in_cache" // the cache lacks the pointer's object, or one of a directory's files
	StateDeleted    State = "deleted"      // no data; of the remote: it has the object, and the cache lacks it
	StateModified   State = "modified"     // other content
	StateNew        State = "new"          // the pointer names no content yet; of the remote: it lacks the object
	StateMissing    State = "missing"      // of the remote: neither it nor the cache has the object
	StateUpToDate   State = "up_to_date"
)

// FileStatus is the state of one data file or directory.
type FileStatus struct {
	Pointer
	State   State
	CameMD5 string // of the data as it is; "" where it is deleted
	InCache bool   // the pointer's objects are in the cache
	Cloud   State  // against the remote; "" where it wasn't asked

	oids, missing []string // the pointer's objects, and those that the cache lacks
}

// parallel is how many files are hashed or copied at once.
const parallel = 4

// HashFile gives the md5 over a file's whole content, and its size in bytes. A
// missing file is not_found, anything but a regular file invalid.
func HashFile(path string) (sum string, size int64, err error) {
	sum, id, err := stable(path, func(f *os.File) (string, error) { return stream(context.Background(), nil, f) })
	return sum, id.size, perennial.Wrap("dvc.HashFile", err)
}

// Status compares all data with its pointers, by content: with those of .dvc files
// and, behind them, with what dvc.lock says that stages made. Files that are
// unchanged since they were last read are not read again.
func (r *Repo) Status(ctx context.Context) ([]FileStatus, error) {
	const op = "dvc.Status"
	ps, err := r.pointers(ctx)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	defer r.hashes.save()
	out := make([]FileStatus, len(ps))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, p := range ps {
		g.Go(func() (err error) {
			out[i], err = r.status(ctx, p)
			return err
		})
	}
	return out, perennial.Wrap(op, g.Wait())
}

func (r *Repo) status(ctx context.Context, p Pointer) (FileStatus, error) {
	s := FileStatus{Pointer: p}
	file, err := r.abs(p.Path)
	if err != nil {
		return s, err
	}
	if p.MD5 != "" && !p.NoCache {
		s.oids, s.missing = r.objectsOf(p)
		s.InCache = len(s.missing) == 0
	}
	s.CameMD5, err = r.contentHash(ctx, file)
	switch {
	case err != nil && perennial.CodeOf(err) != perennial.CodeNotFound:
		return s, err
	case p.MD5 != "" && !p.NoCache && !s.InCache:
		s.State = StateNotInCache
	case err != nil:
		s.State = StateDeleted
	case p.MD5 == "":
		s.State = StateNew
	case s.CameMD5 != p.MD5:
		s.State = StateModified
	default:
		s.State = StateUpToDate
	}
	return s, nil
}

// contentHash gives the oid of a file or a directory as it is.
func (r *Repo) contentHash(ctx context.Context, file string) (string, error) {
	if !isDir(file) {
		return hashFile(ctx, r.hashes, file)
	}
	files, err := r.hashedTree(ctx, file)
	p, _ := pointerOf("", files)
	return p.MD5, err
}

// objectsOf lists the objects of a pointer, and those of them that the cache
// lacks. What lies in a directory is known only where its manifest is in the
// cache, and sound.
func (r *Repo) objectsOf(p Pointer) (oids, missing []string) {
	add := func(oid string) {
		oids = append(oids, oid)
		if !r.objects.has(oid) {
			missing = append(missing, oid)
		}
	}
	if !p.IsDir() {
		add(p.MD5)
		return oids, missing
	}
	files, err := r.objects.manifest(p.MD5)
	if err != nil {
		return []string{p.MD5}, []string{p.MD5}
	}
	oids = append(oids, p.MD5)
	for _, f := range files {
		add(f.MD5)
	}
	return oids, missing
}

// CloudStatus fills in where the data of Status stands against its remote: what a
// push would bring there (new), what a pull would bring here (deleted), and what
// is in neither place (missing). Data that stays out of remotes has no such state.
func (r *Repo) CloudStatus(ctx context.Context, all []FileStatus) error {
	ups := make([]upload, len(all))
	for i, s := range all {
		if !s.NoPush {
			ups[i] = upload{r.source(s.Pointer, Transfer{}), slices.Clone(s.oids)}
		}
	}
	if err := r.lookUp(ctx, ups); err != nil {
		return perennial.Wrap("dvc.CloudStatus", err)
	}
	for i, s := range all {
		if len(s.oids) > 0 && !s.NoPush {
			all[i].Cloud = cloudState(s.oids, setOf(s.missing), setOf(ups[i].oids))
		}
	}
	return nil
}

// cloudState gives the worst state of some objects.
func cloudState(oids []string, cacheLacks, remoteLacks map[string]bool) State {
	state := StateUpToDate
	for _, oid := range oids {
		switch {
		case cacheLacks[oid] && remoteLacks[oid]:
			return StateMissing
		case remoteLacks[oid]:
			state = StateNew
		case cacheLacks[oid] && state == StateUpToDate:
			state = StateDeleted
		}
	}
	return state
}

func setOf(list []string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, s := range list {
		set[s] = true
	}
	return set
}
