package blobtest

import (
	"crypto/md5" //nolint:gosec // S3's ETag
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// S3 is a server that knows as much of S3 as a store asks for: objects of the
// bucket "bucket", under path-style addresses, for the key "test". It checks no
// signature but wants one. The real protocol is tried against moto's server
// (make interop-dvc).
type S3 struct {
	URL string

	mu      sync.Mutex
	objects map[string][]byte
	refuse  func(*http.Request) int
}

// NewS3 starts the server until the test ends.
func NewS3(t *testing.T) *S3 {
	t.Helper()
	s := &S3{objects: map[string][]byte{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Set puts bytes in the place of an object, by its name in the bucket.
func (s *S3) Set(name string, b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[name] = b
}

// Names gives every object's name.
func (s *S3) Names() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]bool{}
	for name := range s.objects {
		out[name] = true
	}
	return out
}

// Refuse has requests answered with the status that f gives, unless it is 0.
func (s *S3) Refuse(f func(*http.Request) int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = f
}

// ServeHTTP answers GET, HEAD and PUT of one object.
func (s *S3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	refuse := s.refuse
	s.mu.Unlock()
	if refuse != nil {
		if status := refuse(r); status != 0 {
			fault(w, status, "Refused")
			return
		}
	}
	bucket, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case !strings.Contains(r.Header.Get("Authorization"), "Credential=test/"):
		fault(w, http.StatusForbidden, "AccessDenied")
	case bucket != "bucket":
		fault(w, http.StatusNotFound, "NoSuchBucket")
	case r.Method == http.MethodPut:
		s.put(w, r, name)
	default:
		s.get(w, r, name)
	}
}

func (s *S3) put(w http.ResponseWriter, r *http.Request, name string) {
	b, err := io.ReadAll(r.Body)
	if err != nil || int64(len(b)) != r.ContentLength {
		fault(w, http.StatusBadRequest, "IncompleteBody")
		return
	}
	s.Set(name, b)
	w.Header().Set("ETag", etag(b))
}

func (s *S3) get(w http.ResponseWriter, r *http.Request, name string) {
	s.mu.Lock()
	b, ok := s.objects[name]
	s.mu.Unlock()
	if !ok {
		fault(w, http.StatusNotFound, "NoSuchKey")
		return
	}
	w.Header().Set("ETag", etag(b))
	if asked, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
		from, to, _ := strings.Cut(asked, "-")
		begin, _ := strconv.Atoi(from)
		end := len(b)
		if to != "" {
			last, _ := strconv.Atoi(to)
			end = min(end, last+1)
		}
		b = b[min(begin, end):end]
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		w.WriteHeader(http.StatusPartialContent)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b)
}

func etag(b []byte) string {
	sum := md5.Sum(b) //nolint:gosec // S3's ETag
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

func fault(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message></Error>", code)
}

// Env takes the machine's own settings of AWS away for a test's duration; it can't be
// parallel.
func Env(t *testing.T) {
	t.Helper()
	for _, name := range []string{"AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"} {
		t.Setenv(name, "")
	}
	nowhere := t.TempDir()
	t.Setenv("AWS_CONFIG_FILE", nowhere+"/config")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", nowhere+"/credentials")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	require.NotEmpty(t, nowhere)
}
