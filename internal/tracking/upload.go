package tracking

import (
	"bytes"
	"errors"
	"io"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/perennial-ml/perennial/internal/mlflow"
)

// MaxUpload is how many bytes one artifact may have: 5 GiB.
const MaxUpload = 5 << 30

const (
	// transferPause is how long an upload or a download may stand still.
	transferPause = 30 * time.Second

	// drainBytes is how much of a refused upload is still taken in, so that the
	// client, which sends first and reads the answer afterwards, gets to read it.
	drainBytes = 64 << 20
)

func tooLarge() error {
	return mlflow.Invalid("An artifact may have at most %d bytes.", int64(MaxUpload))
}

// connection is what a listener's connections can do besides: without it an upload
// that breaks off between two chunks can't be told from one that has ended,
// because fasthttp reads the connection's end as the body's.
type connection interface {
	net.Conn
	Ended() bool // the other side has closed
	Linger()     // take in what still comes when closing, so that the answer arrives
}

// upload reads a request's body as it comes and fails where it breaks off, is
// larger than MaxUpload or stands still for too long.
type upload struct {
	from      io.Reader
	conn      connection // nil in process
	announced int64      // bytes, -1 where they come in chunks
	came      int64
	whole     bool // it was read to its end
}

func newUpload(c *fiber.Ctx) *upload {
	u := &upload{from: c.Context().RequestBodyStream(), announced: int64(c.Request().Header.ContentLength())}
	if u.from == nil {
		body := c.Request().Body()
		u.from, u.announced = bytes.NewReader(body), int64(len(body))
		return u
	}
	u.conn, _ = c.Context().Conn().(connection)
	return u
}

// Read gives what came.
func (u *upload) Read(p []byte) (int, error) {
	if u.conn != nil {
		_ = u.conn.SetReadDeadline(time.Now().Add(transferPause)) // a connection that is gone shows in Read
	}
	n, err := u.from.Read(p)
	u.came += int64(n)
	switch {
	case u.came > MaxUpload:
		return n, tooLarge()
	case err == nil:
		return n, nil
	case !errors.Is(err, io.EOF), u.announced >= 0 && u.came != u.announced, u.conn != nil && u.announced < 0 && u.conn.Ended():
		return n, mlflow.Invalid("The request's body didn't come to its end.")
	}
	u.whole = true
	return n, io.EOF
}

// abandon deals with the rest of an upload that is refused: a little is taken in;
// of more the connection ends.
func (u *upload) abandon(c *fiber.Ctx) {
	if u.conn == nil || u.whole {
		return
	}
	if n, err := io.CopyN(io.Discard, u, drainBytes); errors.Is(err, io.EOF) && n < drainBytes && u.whole {
		return
	}
	c.Context().SetConnectionClose()
	u.conn.Linger()
}
