package dvc

import (
	"context"
	"crypto/md5" //nolint:gosec // DVC's content hash; not used for security
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/perennial-ml/perennial"
)

// blockSize is what is read, hashed and written at once: little enough to stay in
// a processor's cache.
const blockSize = 256 << 10

var blockPool = sync.Pool{New: func() any { return new([blockSize]byte) }}

// stream reads r to its end, into a file where to isn't nil, and gives the content's
// md5. What is longer than a block is hashed in a goroutine of its own while it is
// read and written: hashing takes most of the time.
func stream(ctx context.Context, to *os.File, r io.Reader) (sum string, err error) {
	h := md5.New()                              //nolint:gosec // DVC's content hash
	block := blockPool.Get().(*[blockSize]byte) //nolint:forcetypeassert,errcheck // the pool holds nothing else
	defer blockPool.Put(block)
	w := []io.Writer{h}
	if to != nil {
		w = append(w, namingWriter{to})
	}
	n, err := io.ReadFull(r, block[:])
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		_, err = io.MultiWriter(w...).Write(block[:n])
	case err == nil:
		async := hashAside(h)
		w[0] = async
		all := io.MultiWriter(w...)
		if _, err = all.Write(block[:n]); err == nil {
			_, err = io.CopyBuffer(all, contextReader{ctx, r}, block[:])
		}
		async.wait()
	}
	return hex.EncodeToString(h.Sum(nil)), cantRead(ctx, err)
}

// copyFile is stream from a file, which isn't copied where the file system can let
// both share their content.
func copyFile(ctx context.Context, to, from *os.File) (sum string, err error) {
	if clone(to, from) {
		return stream(ctx, nil, to)
	}
	return stream(ctx, to, from)
}

// cantRead keeps an error that says what is wrong, as those of remotes and of
// namingWriter do, and explains any other.
func cantRead(ctx context.Context, err error) error {
	var said *perennial.Error
	switch {
	case err == nil || errors.As(err, &said):
		return err
	case ctx.Err() != nil:
		return perennial.Errorf(perennial.CodeDeadline, "", "stopped before the content was complete").Because(context.Cause(ctx))
	default:
		return perennial.Errorf(perennial.CodeUnavailable, "", "the content could not be read to its end").Because(err)
	}
}

type contextReader struct {
	ctx context.Context //nolint:containedctx // lives for one copy
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// namingWriter names the directory in its errors.
type namingWriter struct{ f *os.File }

func (w namingWriter) Write(p []byte) (int, error) {
	n, err := w.f.Write(p)
	if err != nil {
		err = cantWrite(filepath.Dir(w.f.Name()), err)
	}
	return n, err
}

// aside hashes what is written to it, of at most a block at a time, in a
// goroutine of its own.
type aside struct {
	full chan []byte
	done chan struct{}
}

// hashAside begins to hash; wait ends it.
func hashAside(h hash.Hash) aside {
	a := aside{full: make(chan []byte, 3), done: make(chan struct{})}
	go func() {
		defer close(a.done)
		for b := range a.full {
			_, _ = h.Write(b) // never fails
			blockPool.Put((*[blockSize]byte)(b[:blockSize]))
		}
	}()
	return a
}

func (a aside) Write(p []byte) (int, error) {
	block := blockPool.Get().(*[blockSize]byte) //nolint:forcetypeassert,errcheck // the pool holds nothing else
	a.full <- block[:copy(block[:], p)]
	return len(p), nil
}

func (a aside) wait() {
	close(a.full)
	<-a.done
}
