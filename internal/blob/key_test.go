package blob_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/internal/blob"
)

func TestValidKey(t *testing.T) {
	t.Parallel()
	md5, sha := strings.Repeat("0f", 16), strings.Repeat("a9", 32)
	for _, key := range []string{"md5:" + md5, "md5:" + md5 + ".dir", "sha256:" + sha} {
		require.True(t, blob.ValidKey(key), key)
	}
	for _, key := range []string{
		"", md5, sha, "md5:", "md5:" + sha, "md5:" + md5 + ".dir.dir", "md5:" + strings.ToUpper(md5), "md5:" + md5[1:] + "\n", "md5:../" + md5[3:],
		"sha256:" + md5, "sha256:" + sha + ".dir", "sha256:" + sha + "\n", "sha256:sha256:" + sha, " md5:" + md5,
	} {
		require.False(t, blob.ValidKey(key), key)
	}
}
