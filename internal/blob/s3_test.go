package blob_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/blob"
	"github.com/perennial-ml/perennial/internal/blob/blobtest"
)

// keys are what the servers of these tests let in.
func keys(endpoint string) blob.S3Options {
	return blob.S3Options{Endpoint: endpoint, Region: "eu-central-1", AccessKeyID: "test", SecretAccessKey: "test"}
}

// name is where DVC and Perennial expect an object below a prefix.
func name(key string) string {
	kind, sum, _ := strings.Cut(key, ":")
	if kind == "md5" {
		kind = "files/md5"
	}
	return "pre/fix/" + kind + "/" + sum[:2] + "/" + sum[2:]
}

func TestS3StoreConforms(t *testing.T) {
	t.Parallel()
	blobtest.Conformance(t, func(t *testing.T) (*blob.Store, func(string, []byte)) {
		t.Helper()
		server := blobtest.NewS3(t)
		s, err := blob.OpenWith("s3://bucket/pre/fix/", keys(server.URL))
		require.NoError(t, err)
		return s, func(key string, b []byte) { server.Set(name(key), b) }
	})
}

// A real protocol's server, as make interop-dvc starts one: moto's.
func TestMotoConforms(t *testing.T) {
	t.Parallel()
	endpoint := os.Getenv("PERENNIAL_TEST_S3")
	if endpoint == "" {
		t.Skip("PERENNIAL_TEST_S3 names no S3 server; make interop-dvc starts one")
	}
	blobtest.Conformance(t, func(t *testing.T) (*blob.Store, func(string, []byte)) {
		t.Helper()
		bucket := fmt.Sprintf("blob-%d", time.Now().UnixNano())
		do(t, http.MethodPut, endpoint+"/"+bucket, nil)
		s, err := blob.OpenWith("s3://"+bucket+"/pre/fix", keys(endpoint))
		require.NoError(t, err)
		return s, func(key string, b []byte) { do(t, http.MethodPut, endpoint+"/"+bucket+"/"+name(key), b) }
	})
}

func do(t *testing.T, method, url string, body []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(string(body)))
	require.NoError(t, err)
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0") // moto checks none
	answer, err := (&http.Client{Timeout: time.Minute}).Do(req)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Less(t, answer.StatusCode, 300, url)
}

func TestS3FaultsSayWhatToMend(t *testing.T) {
	t.Parallel()
	server := blobtest.NewS3(t)
	gone := blobtest.NewS3(t)
	gone.Refuse(func(*http.Request) int { return http.StatusForbidden })
	wrong := keys(server.URL)
	wrong.AccessKeyID = "other"
	anonymous := blob.S3Options{Endpoint: server.URL, Anonymous: true}
	for name, c := range map[string]struct {
		url     string
		o       blob.S3Options
		code    perennial.Code
		message string
	}{
		"no such bucket":     {"s3://other/x", keys(server.URL), perennial.CodePrecondition, "no bucket other"},
		"a key that may not": {"s3://bucket/x", wrong, perennial.CodeForbidden, "doesn't let us write s3://bucket/x/sha256/"},
		"no key":             {"s3://bucket", anonymous, perennial.CodeForbidden, "AccessDenied"},
		"nobody there":       {"s3://bucket", keys("http://127.0.0.1:1"), perennial.CodeUnavailable, "can't reach http://127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := blob.OpenWith(c.url, c.o)
			require.NoError(t, err)
			err = s.PutAs(t.Context(), blob.Key([]byte("x")), strings.NewReader("x"))
			require.Equal(t, c.code, perennial.CodeOf(err), "%v", err)
			message, hint, _ := perennial.Explain(err)
			require.Contains(t, message, c.message)
			require.NotEmpty(t, hint)
		})
	}
}

func TestS3WithoutCredentialsSaysSo(t *testing.T) { //nolint:paralleltest // it sets the environment
	blobtest.Env(t)
	s, err := blob.OpenWith("s3://bucket", blob.S3Options{Endpoint: blobtest.NewS3(t).URL})
	require.NoError(t, err)
	_, err = s.Has(t.Context(), blob.Key(nil))
	require.Equal(t, perennial.CodePrecondition, perennial.CodeOf(err), "%v", err)
	message, hint, _ := perennial.Explain(err)
	require.Contains(t, message, "no credentials")
	require.Contains(t, hint, "AWS_ACCESS_KEY_ID")
}

func TestS3TakesCredentialsFromAProfile(t *testing.T) { //nolint:paralleltest // it sets the environment
	blobtest.Env(t)
	file := filepath.Join(t.TempDir(), "credentials")
	require.NoError(t, os.WriteFile(file, []byte("[mine]\naws_access_key_id = test\naws_secret_access_key = s\n"), 0o600))
	for _, o := range []blob.S3Options{{Profile: "mine", CredentialsFile: file}} {
		o.Endpoint = blobtest.NewS3(t).URL
		s, err := blob.OpenWith("s3://bucket", o)
		require.NoError(t, err)
		_, err = s.Put(t.Context(), []byte("x"))
		require.NoError(t, err)
	}
	_, err := blob.OpenWith("s3://bucket", blob.S3Options{Profile: "absent"})
	require.Equal(t, perennial.CodePrecondition, perennial.CodeOf(err))
}

func TestS3AddressNamesABucket(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"s3://", "s3:///x"} {
		_, err := blob.Open(url)
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), url)
	}
	_, err := blob.OpenWith("s3://b", blob.S3Options{CAFile: "/nowhere.pem"})
	require.Equal(t, perennial.CodePrecondition, perennial.CodeOf(err))
}
