package tracking

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/perennial-ml/perennial"
)

// smallFile is up to how many bytes a file is read and checked before the answer
// begins.
const smallFile = 1 << 20

// filePolicy makes a file that a browser shows after all a stranger to this
// address: anyone may have uploaded it.
const filePolicy = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"

// sendFile answers with a file's bytes, or the one range of them that is asked
// for. Whole files are checked against their hash on the way: of one that is
// damaged the last bytes are kept back, so that nobody takes it for whole.
func (s *Server) sendFile(c *fiber.Ctx, p filePath) error {
	const op = "tracking.sendFile"
	row, err := s.store.getFile(c.UserContext(), p)
	if err != nil {
		return err
	}
	tag := `"` + strings.TrimPrefix(row.Blob, "sha256:") + `"`
	c.Set(fiber.HeaderETag, tag)
	c.Set(fiber.HeaderLastModified, time.UnixMilli(row.Modified).UTC().Format(http.TimeFormat))
	c.Set(fiber.HeaderAcceptRanges, "bytes")
	if matches(c.Get(fiber.HeaderIfNoneMatch), tag) {
		c.Status(http.StatusNotModified)
		return nil
	}
	name := path.Base(p.String())
	c.Set(fiber.HeaderContentType, cmp.Or(mime.TypeByExtension(path.Ext(name)), fiber.MIMEOctetStream))
	c.Set(fiber.HeaderContentDisposition, "attachment; filename*=UTF-8''"+url.PathEscape(name))
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderContentSecurityPolicy, filePolicy)

	asked := c.Get(fiber.HeaderRange)
	if since := c.Get(fiber.HeaderIfRange); since != "" && since != tag {
		asked = ""
	}
	from, length, kind := byteRange(asked, row.Size)
	if kind == rangeWrong {
		c.Set(fiber.HeaderContentRange, "bytes */"+strconv.FormatInt(row.Size, 10))
		return fiber.NewError(http.StatusRequestedRangeNotSatisfiable, "The file has no such bytes.")
	}
	// A large answer is read after the handler has returned and its context ended.
	object, err := s.blobs.Range(context.WithoutCancel(c.UserContext()), row.Blob, from, length)
	if err != nil {
		return perennial.Wrap(op, err)
	}
	if kind == rangeOne {
		c.Set(fiber.HeaderContentRange, fmt.Sprintf("bytes %d-%d/%d", from, from+length-1, row.Size))
		c.Status(http.StatusPartialContent)
		return send(c, object, length)
	}
	return send(c, verified(object, row.Blob, row.Size), row.Size)
}

type part struct {
	io.Reader
	io.Closer
}

// send answers with so many bytes of a reader, which it closes.
func send(c *fiber.Ctx, r io.ReadCloser, size int64) error {
	if size > smallFile {
		if conn, ok := c.Context().Conn().(connection); ok {
			r = part{Reader: patient{r, conn}, Closer: r}
		}
		c.Response().SetBodyStream(r, int(size))
		return nil
	}
	b, err := io.ReadAll(r)
	_ = r.Close() // only read from
	if err != nil {
		return perennial.Wrap("tracking.send", err)
	}
	c.Response().SetBodyRaw(b)
	return nil
}

// patient gives the receiver of a large file time for as long as it goes on taking
// it.
type patient struct {
	io.Reader

	conn connection
}

func (p patient) Read(b []byte) (int, error) {
	_ = p.conn.SetWriteDeadline(time.Now().Add(transferPause)) // a connection that is gone shows in the write
	return p.Reader.Read(b)
}

// verified reads an object of a known size, and fails instead of giving its last
// bytes where the content isn't what the key says.
func verified(object io.ReadCloser, key string, size int64) io.ReadCloser {
	want, isSHA := strings.CutPrefix(key, "sha256:")
	if !isSHA {
		return object
	}
	return &checked{ReadCloser: object, sum: sha256.New(), want: want, left: size}
}

type checked struct {
	io.ReadCloser

	sum  hash.Hash
	want string
	left int64
}

// Read gives the next bytes.
func (v *checked) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	v.sum.Write(p[:n])
	if v.left -= int64(n); v.left > 0 || err != nil && !errors.Is(err, io.EOF) {
		return n, err
	}
	if came := hex.EncodeToString(v.sum.Sum(nil)); came != v.want {
		return 0, perennial.Errorf(perennial.CodeInternal, "tracking.verified", "object sha256:%s is corrupt: its content has the sha256 %s", v.want, came)
	}
	return n, err
}

// matches reports whether a list of tags, as If-None-Match has it, names one.
func matches(list, tag string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == tag || one == "*" {
			return true
		}
	}
	return false
}

// rangeKind says what to do about a Range header.
type rangeKind int

const (
	rangeNone  rangeKind = iota // the whole file: no header, one that isn't understood, several ranges
	rangeOne                    // a part
	rangeWrong                  // no byte of the file
)

// byteRange reads a Range header for a file of some size.
func byteRange(header string, size int64) (from, length int64, kind rangeKind) {
	text, isBytes := strings.CutPrefix(header, "bytes=")
	first, last, isRange := strings.Cut(strings.TrimSpace(text), "-")
	if !isBytes || !isRange || strings.Contains(text, ",") {
		return 0, size, rangeNone
	}
	if first == "" { // the last so many
		n, err := strconv.ParseUint(last, 10, 63)
		switch {
		case err != nil:
			return 0, size, rangeNone
		case n == 0 || size == 0:
			return 0, 0, rangeWrong
		}
		n = min(n, uint64(size)) //nolint:gosec // a size isn't negative
		return size - int64(n), int64(n), rangeOne
	}
	start, err := strconv.ParseUint(first, 10, 63)
	if err != nil {
		return 0, size, rangeNone
	}
	end := uint64(max(size-1, 0))
	if last != "" {
		asked, err := strconv.ParseUint(last, 10, 63)
		if err != nil || asked < start {
			return 0, size, rangeNone
		}
		end = min(end, asked)
	}
	if start >= uint64(size) { //nolint:gosec // not negative
		return 0, 0, rangeWrong
	}
	return int64(start), int64(end-start) + 1, rangeOne
}
