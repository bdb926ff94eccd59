package datastore

import (
	"context"

	"github.com/perennial-ml/perennial"
)

// Blobs gives an object by its key ("md5:<hex>"), verified; a missing one is
// not_found.
type Blobs interface {
	Get(ctx context.Context, key string) ([]byte, error)
}

// Registry gives the present content of a path; Store is one.
type Registry interface {
	Get(ctx context.Context, path string) (Dataset, error)
}

// Reader reads data by its registered md5 from the first store that has it.
type Reader struct {
	registry Registry
	stores   []Blobs
}

// NewReader gives a reader that looks into the stores in their order.
func NewReader(r Registry, stores ...Blobs) *Reader { return &Reader{registry: r, stores: stores} }

// Read gives the registered content of a data path. A path that isn't
// registered, or whose content is in no store, is not_found.
func (r *Reader) Read(ctx context.Context, dataPath string) ([]byte, error) {
	const op = "datastore.Read"
	d, err := r.registry.Get(ctx, dataPath)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	for _, s := range r.stores {
		b, err := s.Get(ctx, "md5:"+d.MD5)
		if err == nil {
			return b, nil
		}
		if perennial.CodeOf(err) != perennial.CodeNotFound {
			return nil, perennial.Wrap(op, err)
		}
	}
	return nil, perennial.Errorf(perennial.CodeNotFound, op, "the content of %s (md5 %s) is in no store that this process reads", dataPath, d.MD5).
		WithHint("Run perennial data push in the project, and point PERENNIAL_DATA_URL at that remote.")
}
